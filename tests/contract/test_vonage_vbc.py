"""Vonage VBC, as its sandbox plays it, keeps the contract of providers, with both kinds of listing and of numbering."""

from collections.abc import AsyncIterator

import pytest
from aiohttp.web import Request, StreamResponse, json_response

from tests.contract.provider import ProviderContract
from tests.contract.sandboxed import Part, SandboxStage, open_stage


async def early(request: Request) -> StreamResponse:
    """A login, and a listing of one recording, which retrieve shows as well, and whose media is not found."""
    recording = {"id": 1, "download_url": "/call_recording/api/audio/recording/1"}
    if request.path == "/token":
        return json_response({"access_token": "t"})
    if request.path.endswith("call_recordings"):
        return json_response({"_embedded": {"recordings": [recording]}, "total_items": 1, "total_pages": 1})
    return json_response(recording, status=404 if "audio" in request.path else 200)


@pytest.mark.parametrize(("kind", "base"), [("company", 0), ("users", 1)])
class TestVonageVbc(ProviderContract):
    """The adapter over loopback."""

    @pytest.fixture
    async def stage(self, kind: str, base: int) -> AsyncIterator[SandboxStage]:
        """A sandbox with 14 company recordings and 7 of the user, five on a page."""
        async with open_stage("vonage_vbc", early, Part(kind, base)) as stage:
            yield stage
