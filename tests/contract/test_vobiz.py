"""Vobiz, as its sandbox plays it, keeps the contract of providers."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.contract.provider import ProviderContract
from tests.contract.sandboxed import SandboxStage, open_stage


async def early(request: web.Request) -> web.StreamResponse:
    """A listing of one recording, which retrieve shows as well, and whose media is not found."""
    if request.path.endswith(".mp3"):
        return web.json_response({"error": "Recording not found"}, status=404)
    recording = {"recording_id": "r1", "recording_url": "/media/r1.mp3"}
    return web.json_response({"meta": {"next": None, "total_count": 1}, "objects": [recording]})


class TestVobiz(ProviderContract):
    """The adapter over loopback."""

    @pytest.fixture
    async def stage(self) -> AsyncIterator[SandboxStage]:
        """A sandbox with 24 short recordings, five on a page."""
        async with open_stage("vobiz", early) as stage:
            yield stage
