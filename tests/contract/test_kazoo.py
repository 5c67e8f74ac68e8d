"""Kazoo, as its sandbox plays it, keeps the contract of providers."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.contract.provider import ProviderContract
from tests.contract.sandboxed import SandboxStage, open_stage


async def early(request: web.Request) -> web.StreamResponse:
    """A login, a listing of one recording without attachments, and no audio for it."""
    if request.path.endswith("/api_auth"):
        return web.json_response({"data": {}, "auth_token": "t", "status": "success"}, status=201)
    if request.path.endswith("/recordings"):
        recording = {"id": "202611-a", "_read_only": {"content_types": []}}
        return web.json_response({"data": [recording], "status": "success"})
    return web.json_response({"data": {"message": "bad identifier", "details": "202611-a"}}, status=404)


class TestKazoo(ProviderContract):
    """The adapter over loopback."""

    @pytest.fixture
    async def stage(self) -> AsyncIterator[SandboxStage]:
        """A sandbox with 24 short recordings, five on a page."""
        async with open_stage("kazoo", early) as stage:
            yield stage
