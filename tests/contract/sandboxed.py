"""The stage of a provider contract over the sandbox: a real adapter, real HTTP, and peers that do one thing only."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import ClientSession

from archiver.ports.provider import Provider
from archiver.sandbox.options import KazooOptions, SandboxOptions
from archiver.sandbox.server import Sandbox, serve
from tests.accounts import account_of, make_client, provider_of
from tests.contract.provider import ANCHOR
from tests.fakes import web
from tests.fakes.web import Handler, answering

OPTIONS = SandboxOptions(
    seed=7,
    recordings=24,
    anchor=ANCHOR,
    page_cap=5,
    audio_seconds=(1, 2),
    late_arrivals=0,
    kazoo=KazooOptions(straddlers=0, late_media=0),
)


@dataclass
class SandboxStage:
    """See ``Stage``; the account is the sandbox's own for the provider ``name``."""

    name: str
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
        return {found: entry["sha256"] for found, entry in recordings.items() if entry["deleted_at"] is None}

    async def remove(self, recording_id: str) -> None:
        """Through the sandbox's control."""
        command = {"delete": [recording_id]}
        async with ClientSession() as session, session.post(self.sandbox.control_url, json=command) as answer:
            assert answer.ok

    def reopened(self) -> Provider:
        """Over a client and a pacer of its own."""
        return self.spare


@asynccontextmanager
async def open_stage(name: str, early: Handler) -> AsyncIterator[SandboxStage]:
    """Serve the sandbox and the peers; ``early`` answers for recordings without media."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(serve(replace(OPTIONS, providers=(name,))))
        settings = sandbox.accounts[f"sandbox-{name}"]
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
        yield SandboxStage(name=name, sandbox=sandbox, **subjects, **own)


async def build(stack: AsyncExitStack, settings: Mapping[str, Any]) -> Provider:
    """An adapter over a client that lives as long as the stack."""
    http = await stack.enter_async_context(make_client(account_of(settings)))
    return provider_of(settings, http)


def unused_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
