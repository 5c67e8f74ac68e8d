"""Starts the sandbox providers on loopback ports and says where they are."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from archiver.sandbox.configuration import render_configuration
from archiver.sandbox.control import Control, Ledgers
from archiver.sandbox.hosting import STRANGER
from archiver.sandbox.kazoo import Kazoo
from archiver.sandbox.listener import Listener
from archiver.sandbox.options import SandboxOptions
from archiver.sandbox.provider import Provider
from archiver.sandbox.store import Store
from archiver.sandbox.vbc import VonageVbc
from archiver.sandbox.vobiz import Vobiz

__all__ = ["PROVIDERS", "Sandbox", "SandboxOptions", "ready_line", "run", "serve", "write_configuration"]

_KINDS: tuple[type[Provider], ...] = (Vobiz, VonageVbc, Kazoo)

_STRANGERS_TYPE = "application/octet-stream"

PROVIDERS: Mapping[str, type[Provider]] = MappingProxyType({kind.NAME: kind for kind in _KINDS})


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
    """Serve until the context is left; then every port is closed. Raises: ValueError for an unknown provider."""
    if unknown := sorted(set(options.providers) - PROVIDERS.keys()):
        raise ValueError(f"no provider is called {unknown[0]}; there are {', '.join(PROVIDERS)}")
    async with AsyncExitStack() as stack:
        providers = [await _serve_provider(PROVIDERS[name], options, stack) for name in options.providers]
        own = _listen(stack)
        runner = await own.serve(Control(providers).application())
        stack.push_async_callback(runner.cleanup)
        yield Sandbox(
            urls={provider.NAME: provider.base_url for provider in providers},
            accounts={_account_name(provider): provider.account_settings() for provider in providers},
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


def _account_name(provider: Provider) -> str:
    return f"sandbox-{provider.NAME.replace('_', '-')}"


async def _serve_provider(kind: type[Provider], options: SandboxOptions, stack: AsyncExitStack) -> Provider:
    listeners = {host: _listen(stack) for host in (*kind.HOSTS, STRANGER)}
    provider = kind(options, listeners)
    stranger = Store(listeners[STRANGER].origin, provider.population, provider.house, provider.house.sign)
    applications = {**provider.applications(), STRANGER: stranger.application(lambda _: _STRANGERS_TYPE)}
    for host, application in applications.items():
        runner = await listeners[host].serve(application)
        stack.push_async_callback(runner.cleanup)
    return provider


def _listen(stack: AsyncExitStack) -> Listener:
    listener = Listener()
    stack.callback(listener.close)
    return listener
