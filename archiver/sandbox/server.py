"""Starts the sandbox providers on loopback ports and says where they are."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from archiver.sandbox.configuration import render_configuration
from archiver.sandbox.control import Control, Ledgers
from archiver.sandbox.listener import Listener
from archiver.sandbox.population import Plan
from archiver.sandbox.provider import Provider
from archiver.sandbox.vobiz import Vobiz

PROVIDERS: tuple[type[Provider], ...] = (Vobiz,)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """What to serve. The same seed and anchor always give the same recordings with the same bytes.

    ``recordings`` for each provider lie in the 30 days before ``anchor`` (aware; None means now). ``page_cap`` is the
    largest page. ``audio_seconds`` bounds every length; None means 2 to 60 s and mostly 3 to 20 s. ``late_arrivals``
    of the recordings appear only while the listing is being read, within its first four pages.
    """

    seed: int = 1
    recordings: int = 300
    anchor: datetime | None = None
    page_cap: int = 50
    audio_seconds: tuple[float, float] | None = None
    late_arrivals: int = 5

    def plan(self) -> Plan:
        """How each provider's population is drawn. Raises: ValueError for a naive anchor."""
        anchor = self.anchor or datetime.now(UTC)
        if anchor.tzinfo is None:
            raise ValueError("anchor: expected a time with a zone")
        return Plan(
            seed=self.seed,
            count=self.recordings,
            anchor=anchor,
            audio_seconds=self.audio_seconds,
            late_arrivals=self.late_arrivals,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A sandbox that is being served. ``urls`` maps a provider to its base URL, ``accounts`` a name to its settings."""

    urls: dict[str, str]
    accounts: dict[str, dict[str, Any]]
    ledger_url: str
    control_url: str
    ledger: Ledgers


@asynccontextmanager
async def serve(options: SandboxOptions) -> AsyncIterator[Sandbox]:
    """Serve until the context is left; then every port is closed."""
    async with AsyncExitStack() as stack:
        providers = [await _serve_provider(kind, options, stack) for kind in PROVIDERS]
        own = _listen(stack)
        runner = await own.serve(Control(providers).application())
        stack.push_async_callback(runner.cleanup)
        yield Sandbox(
            urls={provider.NAME: provider.base_url for provider in providers},
            accounts={f"sandbox-{provider.NAME}": provider.account_settings() for provider in providers},
            ledger_url=f"{own.origin}/ledger",
            control_url=f"{own.origin}/control",
            ledger=Ledgers(providers),
        )


async def run(options: SandboxOptions, announce: Callable[[str], None], write_config: Path | None = None) -> None:
    """Serve until cancelled. ``announce`` gets the ready line once everything answers."""
    async with serve(options) as sandbox:
        if write_config is not None:
            write_configuration(sandbox, write_config)
        announce(ready_line(sandbox))
        await asyncio.Event().wait()


def ready_line(sandbox: Sandbox) -> str:
    """One JSON object on one line: where everything is, and the accounts with their made-up credentials."""
    facts = {
        "urls": sandbox.urls,
        "ledger": sandbox.ledger_url,
        "control": sandbox.control_url,
        "accounts": sandbox.accounts,
    }
    return json.dumps(facts)


def write_configuration(sandbox: Sandbox, path: Path) -> None:
    """Write a configuration that archives everything in this sandbox, into folders beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_configuration(sandbox.accounts), encoding="utf-8")


async def _serve_provider(kind: type[Provider], options: SandboxOptions, stack: AsyncExitStack) -> Provider:
    listeners = {host: _listen(stack) for host in kind.HOSTS}
    provider = kind(options.plan(), options.page_cap, listeners)
    for host, application in provider.applications().items():
        runner = await listeners[host].serve(application)
        stack.push_async_callback(runner.cleanup)
    return provider


def _listen(stack: AsyncExitStack) -> Listener:
    listener = Listener()
    stack.callback(listener.close)
    return listener
