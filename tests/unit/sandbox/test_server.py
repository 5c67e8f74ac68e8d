"""Starting, announcing, writing a configuration, and stopping."""

import asyncio
import json
import socket
import tomllib
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from archiver.app.cli import sandbox as command
from archiver.sandbox.options import KazooOptions, VbcOptions
from archiver.sandbox.server import PROVIDERS, SandboxOptions, ready_line, run, serve, write_configuration
from tests.unit.sandbox.visitor import Visitor


async def test_everything_listens_on_loopback_ports_of_its_own(visitor: Visitor) -> None:
    """API, media and the sandbox's own port differ, and all are on 127.0.0.1."""
    row = (await visitor.rows())[0]
    urls = [visitor.sandbox.urls["vobiz"], row["recording_url"], visitor.sandbox.ledger_url]
    assert {urlsplit(url).hostname for url in urls} == {"127.0.0.1"}
    assert len({urlsplit(url).port for url in urls}) == 3
    assert urlsplit(visitor.sandbox.control_url).netloc == urlsplit(visitor.sandbox.ledger_url).netloc


async def test_the_configuration_is_complete(visitor: Visitor, tmp_path: Path) -> None:
    """The written file is TOML with catalog, storage and exactly the announced accounts."""
    path = tmp_path / "new" / "config.toml"
    write_configuration(visitor.sandbox, path)
    assert tomllib.loads(path.read_text()) == {
        "catalog": {"dsn": "embedded:./var/catalog"},
        "storage": {"url": "file:./var/recordings"},
        "accounts": visitor.sandbox.accounts,
    }


async def test_credentials_are_for_api_and_media_only(visitor: Visitor) -> None:
    """S1: the account names the hosts that may get its credentials, with ports; the store is not among them."""
    hosts = {
        urlsplit(url).netloc for row in await visitor.rows() for url in (visitor.listing_url, row["recording_url"])
    }
    assert set(visitor.account["credential_hosts"]) == hosts


async def test_the_ready_line_is_one_json_object(visitor: Visitor) -> None:
    """A script that starts the sandbox finds all addresses and accounts on one line."""
    line = ready_line(visitor.sandbox)
    assert "\n" not in line
    assert json.loads(line) == {
        "urls": visitor.sandbox.urls,
        "ledger": visitor.sandbox.ledger_url,
        "control": visitor.sandbox.control_url,
        "accounts": visitor.sandbox.accounts,
    }


async def test_run_serves_until_cancelled(tmp_path: Path) -> None:
    """T2: when the line is announced all answers and the file lies there; a cancel closes every port within seconds."""
    announced: asyncio.Queue[str] = asyncio.Queue()
    serving = asyncio.create_task(run(SandboxOptions(recordings=3), announced.put_nowait, tmp_path / "config.toml"))
    ready = json.loads(await announced.get())
    assert (tmp_path / "config.toml").exists()
    port = urlsplit(ready["ledger"]).port
    socket.create_connection(("127.0.0.1", port or 0)).close()
    serving.cancel()
    async with asyncio.timeout(3):
        await asyncio.wait([serving])
    assert serving.cancelled()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port or 0))


async def test_two_sandboxes_live_side_by_side() -> None:
    """Every sandbox takes free ports, so that tests can run in parallel."""
    async with serve(SandboxOptions(recordings=1)) as one, serve(SandboxOptions(recordings=1)) as other:
        assert one.urls != other.urls


async def test_the_anchor_needs_a_zone() -> None:
    """A time without a zone is refused before anything listens for long."""
    with pytest.raises(ValueError, match="anchor"):
        async with serve(SandboxOptions(anchor=datetime(2026, 6, 1))):  # noqa: DTZ001 - the mistake under test
            pass


async def test_several_providers_are_served_together(tmp_path: Path) -> None:
    """Each provider that was named has its url, account and ledger, and a command that all understand reaches all."""
    names = tuple(PROVIDERS)
    async with serve(SandboxOptions(providers=names, recordings=2)) as sandbox, aiohttp.ClientSession() as session:
        async with session.post(sandbox.control_url, json={"add": 1, "expire_tokens": True}) as response:
            assert len((await response.json())["added"]) == 3
        write_configuration(sandbox, tmp_path / "config.toml")
        accounts = tomllib.loads((tmp_path / "config.toml").read_text())["accounts"]
        assert list(sandbox.urls) == list(sandbox.ledger.as_json()["providers"]) == list(names)
        assert list(accounts) == ["sandbox-vobiz", "sandbox-vonage-vbc", "sandbox-kazoo"]
        assert [account["provider"] for account in accounts.values()] == list(names)


async def test_an_unknown_provider_is_refused() -> None:
    """A name that no provider has is an error that lists those there are."""
    with pytest.raises(ValueError, match="vonage_vbc"):
        async with serve(SandboxOptions(providers=("vonage",))):
            pass


def test_the_command_knows_every_provider() -> None:
    """--provider offers what the sandbox has."""
    assert set(command.PROVIDERS) == set(PROVIDERS)


async def test_accounts_are_paced_by_what_is_allowed() -> None:
    """P1: a configuration's rate limits are those that the sandbox enforces."""
    options = SandboxOptions(
        providers=("vonage_vbc", "kazoo"),
        recordings=1,
        vbc=VbcOptions(quota_per_min=10),
        kazoo=KazooOptions(refill_per_s=7),
    )
    async with serve(options) as sandbox:
        limits = {name: account["rate_limit"] for name, account in sandbox.accounts.items()}
    assert limits == {"sandbox-vonage-vbc": "10/min", "sandbox-kazoo": "7/s"}
