"""The server itself: is it there, start it, stop it, restart it when it died. All within a turn."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread

import asyncpg
import structlog

from archiver.catalog.embedded.cluster import USER, create_cluster, log_since, log_size, require_version
from archiver.catalog.embedded.home import Home
from archiver.catalog.embedded.program import find_program
from archiver.catalog.embedded.waiting import wait_until
from archiver.model.errors import ArchiverError, CatalogError, CatalogUnavailable

DATABASE = "archiver"
PORT = 5432  # only a part of the socket's name
START_LIMIT_SECONDS = 60.0
_LOOK_SECONDS = 0.02
_WATCH_SECONDS = 1.0
_WATCH_LIMIT_SECONDS = 10.0
# A fast shutdown ends the sessions and writes everything; an immediate one leaves recovery to the next start.
_STOPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_directories": "../sockets",  # relative to the data: as short as it is long in absolute terms
    "unix_socket_permissions": "0700",
    "port": str(PORT),
    "max_connections": "100",
    "shared_buffers": "96MB",
    "max_parallel_workers": "0",  # they share memory in /dev/shm, which containers keep small
    "jit": "off",
    "log_min_messages": "log",  # what ends a session or the server; what a statement did wrong its client is told
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
_log = structlog.get_logger(__name__)


class Server:
    """One user's view of the server that all users share."""

    def __init__(self, home: Home, sockets: Path, settings: Mapping[str, str]) -> None:
        self._home = home
        self._sockets = sockets
        self._settings = {**_SETTINGS, **settings}
        self._started_id = 0

    def is_running(self) -> bool:
        """Whether any process of the server lives, fit or not; it may still be starting, or stopping."""
        with self._home.lock("server") as alive:
            return not alive.try_exclusive() or _serves(self._recorded_id(), self._home.data)

    async def ensure(self) -> None:
        """Return when the server answers: the running one, or one started now.

        Raises: what ``embedded_server`` raises.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_LIMIT_SECONDS
        log_offset: int | None = None
        while silence := await self._silence():
            if not self.is_running():
                if log_offset is not None:
                    raise CatalogError(
                        f"the catalog's server ended while starting: {log_since(self._home, log_offset)}"
                    )
                log_offset = await self._start()
                deadline = loop.time() + START_LIMIT_SECONDS
            elif loop.time() > deadline:
                raise CatalogUnavailable(f"the catalog's server in {self._home.path} does not answer: {silence}")
            await asyncio.sleep(_LOOK_SECONDS)
        _log.debug("catalog_server_ready", started=log_offset is not None)

    async def watch(self) -> None:
        """Start the server again whenever it is gone, until cancelled; sessions that it had find it by themselves."""
        pause_seconds = _WATCH_SECONDS
        while True:
            await asyncio.sleep(pause_seconds)
            try:
                async with self._home.turn():
                    if not self.is_running():
                        await self.ensure()
                        _log.info("catalog_server_restarted")
                pause_seconds = _WATCH_SECONDS
            except (ArchiverError, OSError) as error:
                pause_seconds = min(pause_seconds * 2, _WATCH_LIMIT_SECONDS)
                _log.info("catalog_server_restart_failed", reason=str(error), next_try_s=pause_seconds)

    async def stop(self) -> None:
        """Stop the server and return when none of its processes is left, or after 25 s."""
        for number, limit_seconds in _STOPS:
            if self.is_running():
                self._signal(number)
            if await wait_until(lambda: not self.is_running(), limit_seconds):
                return
        _log.info("catalog_server_still_running", path=str(self._home.path))

    async def _silence(self) -> str | None:
        """Why the server does not answer yet, or None when it does and has our database."""
        try:
            session = await asyncpg.connect(
                host=str(self._sockets), port=PORT, user=USER, database="postgres", timeout=5, ssl=False
            )
            try:
                if not await session.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                    await session.execute(f"CREATE DATABASE {DATABASE}")
            finally:
                await session.close(timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return str(error) or type(error).__name__
        return None

    async def _start(self) -> int:
        try:
            program = await asyncio.to_thread(find_program, self._home)
            if not self._home.data.exists():
                await create_cluster(self._home, program, is_synced=self._settings.get("fsync") != "off")
            require_version(self._home, program)
            self._clear()
            log_offset = log_size(self._home)
            options = [f"--{name}={value}" for name, value in self._settings.items()]
            child = program.start(self._home, "postgres", ("-D", str(self._home.data), *options))
        except OSError as error:
            raise CatalogUnavailable(f"the catalog's server cannot be started: {error}") from error
        self._started_id = child.pid
        # Reaped the moment it ends, even when we left the server to others long before.
        Thread(target=child.wait, name="embedded-postgres-reaper", daemon=True).start()
        return log_offset

    def _clear(self) -> None:
        """Remove what a killed server left; that none lives was seen in this turn."""
        (self._home.data / "postmaster.pid").unlink(missing_ok=True)
        for path in self._home.sockets.iterdir():
            path.unlink()

    def _recorded_id(self) -> int:
        """The server's process id as it wrote it down, 0 where it did not."""
        try:
            return int((self._home.data / "postmaster.pid").read_text(encoding="utf-8").split("\n")[0])
        except (FileNotFoundError, ValueError):
            return 0

    def _signal(self, number: signal.Signals) -> None:
        for process_id in {self._started_id, self._recorded_id()}:
            if _serves(process_id, self._home.data):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(process_id, number)


def _serves(process_id: int, data: Path) -> bool:
    """Whether this process was started as the server of these data; a number alone proves nothing."""
    return process_id > 0 and f"-D {data} " in f"{_command_line(process_id)} "


def _command_line(process_id: int) -> str:
    if sys.platform == "linux":
        try:
            line = Path(f"/proc/{process_id}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return ""
        return os.fsdecode(line.replace(b"\0", b" "))
    command = ["/bin/ps", "-ww", "-o", "args=", "-p", str(process_id)]
    listed = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - nothing foreign in it
    return os.fsdecode(listed.stdout.strip())
