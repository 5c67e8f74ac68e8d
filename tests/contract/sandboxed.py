"""The stage of a provider contract over the sandbox: a real adapter, real HTTP, and peers that do one thing only."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import ClientSession

from archiver.ports.provider import Provider
from archiver.sandbox.options import KazooOptions, SandboxOptions, VbcOptions
from archiver.sandbox.server import Sandbox, serve
from tests.accounts import account_of, make_client, provider_of
from tests.contract.provider import ANCHOR
from tests.fakes import web
from tests.fakes.web import Handler, answering
from tests.servers.ports import unused_port

OPTIONS = SandboxOptions(
    seed=7,
    recordings=24,
    anchor=ANCHOR,
    page_cap=5,
    audio_seconds=(1, 2),
    late_arrivals=0,
    kazoo=KazooOptions(straddlers=0, late_media=0),
)


@dataclass(frozen=True)
class Part:
    """What a provider with several listings shows: ``listing`` alone (None: all that its account lists), with pages
    numbered from ``page_base``."""

    listing: str | None = None
    page_base: int = 1

    def account(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """The sandbox's account, as it is configured for this part."""
        return settings if self.listing is None else {**settings, "listings": (self.listing,), "user_ids": ("self",)}

    def ids_begin(self, settings: Mapping[str, Any]) -> str:
        """How the ids of this part's recordings begin."""
        if self.listing is None:
            return ""
        return f"user:{settings['user_ids'][0]}:" if self.listing == "users" else f"{self.listing}:"


WHOLE = Part()


@dataclass
class SandboxStage:
    """See ``Stage``; the account is the sandbox's own for the provider ``name``, whose ids begin with ``ids_begin``."""

    name: str
    ids_begin: str
    sandbox: Sandbox
    provider: Provider
    refused: Provider
    silenced: Provider
    alone: Provider
    misled: Provider
    early: Provider
    spare: Provider

    def digests(self) -> Mapping[str, str]:
        """What the ledger calls the truth."""
        recordings = self.sandbox.ledger.as_json()["providers"][self.name]["recordings"]
        shown = {found: entry for found, entry in recordings.items() if found.startswith(self.ids_begin)}
        return {found: entry["sha256"] for found, entry in shown.items() if entry["deleted_at"] is None}

    async def remove(self, recording_id: str) -> None:
        """Through the sandbox's control."""
        command = {"delete": [recording_id]}
        async with ClientSession() as session, session.post(self.sandbox.control_url, json=command) as answer:
            assert answer.ok

    def reopened(self) -> Provider:
        """Over a client and a pacer of its own."""
        return self.spare


@asynccontextmanager
async def open_stage(name: str, early: Handler, part: Part = WHOLE) -> AsyncIterator[SandboxStage]:
    """Serve the sandbox and the peers; ``early`` answers for recordings without media."""
    async with AsyncExitStack() as stack:
        options = replace(OPTIONS, providers=(name,), vbc=VbcOptions(page_base=part.page_base))
        sandbox = await stack.enter_async_context(serve(options))
        (account,) = sandbox.accounts.values()
        settings = part.account(account)
        peers = {
            "refused": answering(401, {"error": "Unauthorized"}),
            "silenced": answering(429, {"error": "slow down"}, {"Retry-After": "7"}),
            "misled": answering(200, {"surprise": []}),
            "early": early,
        }
        urls = {kind: (await stack.enter_async_context(web.serve(handler))).origin for kind, handler in peers.items()}
        urls["alone"] = f"http://127.0.0.1:{unused_port()}"
        # A peer is the only host of its account
        elsewhere = {key: value for key, value in settings.items() if key != "credential_hosts"}
        subjects = {kind: await build(stack, {**elsewhere, "base_url": url}) for kind, url in urls.items()}
        own = {kind: await build(stack, settings) for kind in ("provider", "spare")}
        yield SandboxStage(name=name, ids_begin=part.ids_begin(account), sandbox=sandbox, **subjects, **own)


async def build(stack: AsyncExitStack, settings: Mapping[str, Any]) -> Provider:
    """An adapter over a client that lives as long as the stack."""
    http = await stack.enter_async_context(make_client(account_of(settings)))
    return provider_of(settings, http)
