"""What a service manager is told, over a real socket."""

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from archiver.app import systemd


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A service manager's socket, named in the environment."""
    name = f"{tmp_path}/notify" if request.param == "path" else f"@archiver-{tmp_path.name}-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        end.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield end


def waiting(manager: socket.socket) -> bool:
    """Whether anything was said."""
    try:
        return bool(manager.recv(100))
    except BlockingIOError:
        return False


def test_each_state_is_told(manager: socket.socket) -> None:
    """T3: ready, reloading, stopping, a status in one line, and more time."""
    systemd.ready()
    systemd.reloading()
    systemd.stopping()
    systemd.status("waiting:\nthe catalog")
    systemd.extend_timeout(timedelta(seconds=3))
    told = [manager.recv(1000).decode() for _ in range(5)]
    assert told[0] == "READY=1"
    assert told[1].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert told[2:] == ["STOPPING=1", "STATUS=waiting: the catalog", "EXTEND_TIMEOUT_USEC=3000000"]


def test_without_a_manager_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside a service nothing happens, nor where the socket is gone."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.ready()
    monkeypatch.setenv("NOTIFY_SOCKET", "/nonexistent/socket")
    systemd.ready()


async def test_a_blocked_loop_says_nothing(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """T3: the watchdog is fed while the event loop turns, and not while it is blocked."""
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    manager.setblocking(False)
    loop = asyncio.get_running_loop()
    async with systemd.watched():
        assert await loop.sock_recv(manager, 100) == b"WATCHDOG=1"
        assert await loop.sock_recv(manager, 100) == b"WATCHDOG=1"
        time.sleep(0.2)  # noqa: ASYNC251 - the loop is to be blocked
        assert not waiting(manager)
        assert await loop.sock_recv(manager, 100) == b"WATCHDOG=1"


@pytest.mark.parametrize(("usec", "pid"), [("", None), ("40000", "1")])
async def test_a_watchdog_of_another_is_not_fed(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch, usec: str, pid: str | None
) -> None:
    """T3: without a watchdog, or with that of another process, nothing is said."""
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", pid)
    async with systemd.watched():
        await asyncio.sleep(0.05)
    manager.setblocking(False)
    assert not waiting(manager)
