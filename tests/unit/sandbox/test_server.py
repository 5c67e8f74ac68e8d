"""Starting, announcing, writing a configuration, and stopping."""

import asyncio
import json
import socket
import tomllib
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from archiver.sandbox.server import SandboxOptions, ready_line, run, serve, write_configuration
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
