"""What the service manager is told: ready, reloading, stopping, alive; nothing at all where there is none.

Eight lines of datagrams need no package. Source: sd_notify(3), "Notes", read 2026-11-22.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

_SOCKET: Final = "NOTIFY_SOCKET"


def ready() -> None:
    """Catalog and storage were reached; after a reload, the configuration is taken up."""
    _tell("READY=1")


def reloading() -> None:
    """The configuration is read again; ``ready`` ends it."""
    _tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping() -> None:
    """What runs is finished, nothing more is started."""
    _tell("STOPPING=1")


def status(text: str) -> None:
    """A line for ``systemctl status``."""
    _tell(f"STATUS={' '.join(text.split())}")


def extend_timeout(duration: timedelta) -> None:
    """Starting takes longer: do not give up before this has passed from now."""
    _tell(f"EXTEND_TIMEOUT_USEC={int(duration.total_seconds() * 1_000_000)}")


@asynccontextmanager
async def watched() -> AsyncIterator[None]:
    """Say "alive" twice as often as the service manager asks for, as long as the event loop turns."""
    interval = _watchdog_interval()
    feeding = asyncio.create_task(_feed(interval)) if interval is not None else None
    try:
        yield
    finally:
        if feeding is not None:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)


def _watchdog_interval() -> float | None:
    """The seconds between two signs of life; None when nobody waits for ours."""
    wanted, process = os.environ.get("WATCHDOG_USEC", ""), str(os.getpid())
    if not wanted.isdecimal() or not int(wanted) or os.environ.get("WATCHDOG_PID", process) != process:
        return None
    return int(wanted) / 2_000_000


async def _feed(interval: float) -> None:
    while True:
        _tell("WATCHDOG=1")
        await asyncio.sleep(interval)


def _tell(message: str) -> None:
    address = os.environ.get(_SOCKET)
    if not address:
        return
    if address.startswith("@"):  # an abstract one
        address = f"\0{address[1:]}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.setblocking(False)
        out.sendto(message.encode(), address)
