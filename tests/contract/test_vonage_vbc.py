"""Vonage VBC, as its sandbox plays it, keeps the contract of providers, with both kinds of listing and of numbering."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest
from aiohttp.web import Request, StreamResponse, json_response

from archiver.model.secret import Secret
from archiver.ports.provider import Provider
from archiver.providers.vonage_vbc import VonageVbcOptions, VonageVbcProvider
from archiver.sandbox.options import VbcOptions
from archiver.sandbox.server import serve
from tests.accounts import account_of, make_client
from tests.contract.provider import ProviderContract
from tests.contract.sandboxed import OPTIONS, SandboxStage, unused_port
from tests.fakes import web
from tests.fakes.web import answering

SECRETS = ("client_secret", "password")


async def early(request: Request) -> StreamResponse:
    """A login, and a listing of one recording, which retrieve shows as well, and whose media is not found."""
    recording = {"id": 1, "download_url": "/call_recording/api/audio/recording/1"}
    if request.path == "/token":
        return json_response({"access_token": "t"})
    if request.path.endswith("call_recordings"):
        return json_response({"_embedded": {"recordings": [recording]}, "total_items": 1, "total_pages": 1})
    return json_response(recording, status=404 if "audio" in request.path else 200)


@dataclass
class VbcStage(SandboxStage):
    """The contract reads the first listing, ``listing``, so its recordings alone are the truth."""

    listing: str

    def digests(self) -> Mapping[str, str]:
        """What the ledger says of that listing."""
        return {found: digest for found, digest in super().digests().items() if found.startswith(f"{self.listing}:")}


@pytest.mark.parametrize(("kind", "base"), [("company", 0), ("users", 1)])
class TestVonageVbc(ProviderContract):
    """The adapter over loopback."""

    @pytest.fixture
    async def stage(self, kind: str, base: int) -> AsyncIterator[VbcStage]:
        """A sandbox with 14 company recordings and 7 of the user, five on a page."""
        options = replace(OPTIONS, providers=("vonage_vbc",), vbc=VbcOptions(page_base=base))
        async with AsyncExitStack() as stack:
            sandbox = await stack.enter_async_context(serve(options))
            (settings,) = sandbox.accounts.values()
            answers = {
                "refused": answering(401, {"error": "Unauthorized"}),
                "silenced": answering(429, {"error": "slow down"}, {"Retry-After": "7"}),
                "misled": answering(200, {"surprise": []}),
                "early": early,
            }
            urls = {name: (await stack.enter_async_context(web.serve(one))).origin for name, one in answers.items()}
            urls |= {"alone": f"http://127.0.0.1:{unused_port()}"}
            listing = kind if kind == "company" else f"user:{settings['user_ids'][0]}"
            settings = {**settings, "listings": (kind,), "user_ids": ("self",)}
            elsewhere = {name: value for name, value in settings.items() if name != "credential_hosts"}
            subjects = {name: await build(stack, {**elsewhere, "base_url": url}) for name, url in urls.items()}
            own = {name: await build(stack, settings) for name in ("provider", "spare")}
            yield VbcStage(name="vonage_vbc", sandbox=sandbox, listing=listing, **subjects, **own)


async def build(stack: AsyncExitStack, settings: Mapping[str, Any]) -> Provider:
    """An adapter over a client that lives as long as the stack."""
    http = await stack.enter_async_context(make_client(account_of(settings)))
    names = {field.name for field in fields(VonageVbcOptions)}
    options: Any = {
        name: Secret(value) if name in SECRETS else value for name, value in settings.items() if name in names
    }
    return VonageVbcProvider(http.account, VonageVbcOptions(**options), http)
