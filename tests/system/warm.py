"""Commands that start warm: forked from an interpreter that has imported everything and run nothing.

Importing is most of what a short command costs, and the tests run a thousand of them. A child of the fork has its own
folder, environment and arguments, and calls the very ``main`` that the installed command calls; what starts cold is
tested where that matters (the demo, the secrets, what ``--help`` imports).
"""

import asyncio
import atexit
import importlib
import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, Protocol

ROOT: Final = Path(__file__).parents[2]
ARCHIVER: Final = "archiver.app.cli.main"
LIBRARIES: Final = ("aiohttp.web", "asyncpg", "pydantic.dataclasses", "rich.live", "stamina", "structlog", "uuid")
"""What may be imported before a child has its way with the standard library."""
EVERYTHING: Final = (
    *LIBRARIES,
    *(
        f"archiver.app.cli.{name}"
        for name in ("archive", "catalog", "check", "main", "recordings", "report", "running")
    ),
    *(f"archiver.app.{name}" for name in ("backfill", "dry_run", "logs", "signals", "wiring")),
    *("archiver.app.cli.progress", "archiver.app.cli.sandbox", "archiver.sandbox.server", "archiver.storage.s3.client"),
)
_LARGEST: Final = 1 << 20


class Process(Protocol):
    """What tests do with a command that runs, however it was started."""

    stdout: asyncio.StreamReader | None
    stderr: asyncio.StreamReader | None

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""

    def send_signal(self, signal: int) -> None:
        """Send it a signal. Raises: ProcessLookupError when it has ended."""

    def kill(self) -> None:
        """End it at once. Raises: ProcessLookupError when it has ended."""

    async def wait(self) -> int:
        """Its exit code, once it has ended."""

    async def communicate(self, input: bytes | None = None) -> tuple[bytes, bytes]:  # noqa: A002 - asyncio's name
        """All that it says, once it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A command to start: the module whose ``main`` it is, its arguments, folder and environment."""

    words: Sequence[str]
    folder: Path
    module: str = ARCHIVER
    environ: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Warm:
    """A command that was forked."""

    pid: int
    stdout: asyncio.StreamReader | None
    stderr: asyncio.StreamReader | None
    ending: "asyncio.Task[int]"

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self.ending.result() if self.ending.done() else None

    def send_signal(self, signal: int) -> None:
        """Send it a signal. Raises: ProcessLookupError when it has ended."""
        if self.ending.done():
            raise ProcessLookupError
        os.kill(self.pid, signal)

    def kill(self) -> None:
        """End it at once. Raises: ProcessLookupError when it has ended."""
        self.send_signal(9)

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        return await asyncio.shield(self.ending)

    async def communicate(self, input: bytes | None = None) -> tuple[bytes, bytes]:  # noqa: A002 - asyncio's name
        """All that it says, once it has ended."""
        assert input is None
        assert self.stdout is not None
        assert self.stderr is not None
        said = await asyncio.gather(self.stdout.read(), self.stderr.read())
        await self.wait()
        return said[0], said[1]


async def start(order: Order, preloaded: tuple[str, ...] = EVERYTHING) -> Warm:
    """Start a command from an interpreter that has imported ``preloaded``."""
    reader, writer = await asyncio.open_unix_connection(_forge(preloaded))
    (out, child_out), (err, child_err) = os.pipe(), os.pipe()
    try:
        text = json.dumps([order.module, list(order.words), str(order.folder), {**os.environ, **order.environ}])
        connection = writer.get_extra_info("socket")
        with socket.fromfd(connection.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as plain:
            plain.setblocking(True)
            socket.send_fds(plain, [b"%8d" % len(text.encode())], [child_out, child_err])
            plain.sendall(text.encode())
            connection.setblocking(False)
    finally:
        os.close(child_out)
        os.close(child_err)
    pid = int(await reader.readline())
    return Warm(pid=pid, stdout=await _reader(out), stderr=await _reader(err), ending=_ending(reader, writer))


def _ending(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> "asyncio.Task[int]":
    async def ending() -> int:
        try:
            return int(await reader.readline())
        finally:
            writer.close()

    return asyncio.create_task(ending())


async def _reader(number: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=_LARGEST)
    pipe = os.fdopen(number, "rb", 0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


@cache
def _forge(preloaded: tuple[str, ...]) -> str:
    """The socket of an interpreter that forks commands, started once; it ends with this process."""
    folder = tempfile.TemporaryDirectory(prefix="warm-")
    path = f"{folder.name}/socket"
    command = [sys.executable, "-m", __name__, path, *preloaded]
    forge = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(folder.cleanup)
    atexit.register(forge.kill)
    assert forge.stdout is not None
    assert forge.stdout.readline() == b"ready\n"
    return path


def main() -> None:
    """Import, then fork a child for each order, until nobody can give any."""
    path, *preloaded = sys.argv[1:]
    for module in preloaded:
        importlib.import_module(module)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    ordered = _serve(listener)
    if ordered is not None:
        importlib.import_module(ordered).main()


def _serve(listener: socket.socket) -> str | None:
    """Fork children and tell how they end. Returns None in the parent, in each child the module to run."""
    selector, running = selectors.DefaultSelector(), dict[int, tuple[int, socket.socket]]()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(0, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fd == 0:
                return None
            if key.fileobj is listener:
                connection, _address = listener.accept()
                module, pid = _fork(connection)
                if module is not None:
                    _forget(selector, listener, connection, running)
                    return module
                watched = os.pidfd_open(pid)
                running[watched] = pid, connection
                selector.register(watched, selectors.EVENT_READ)
                continue
            pid, connection = running.pop(key.fd)
            selector.unregister(key.fd)
            os.close(key.fd)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            with suppress(OSError), connection:
                connection.sendall(b"%d\n" % code)


def _forget(
    selector: selectors.BaseSelector,
    listener: socket.socket,
    connection: socket.socket,
    running: dict[int, tuple[int, socket.socket]],
) -> None:
    """Close in a child what only its parent needs."""
    selector.close()
    for one in (listener, connection, *(other for _, other in running.values())):
        one.close()
    for watched in running:
        os.close(watched)


def _fork(connection: socket.socket) -> tuple[str | None, int]:
    """A child that has become what the order says, and its number in the parent."""
    head, files, _flags, _address = socket.recv_fds(connection, 8, 2)
    with connection.makefile("rb") as stream:
        module, words, folder, environ = json.loads(stream.read(int(head)))
    pid = os.fork()
    if pid:
        for number in files:
            os.close(number)
        connection.sendall(b"%d\n" % pid)
        return None, pid
    for number, target in ((os.open(os.devnull, os.O_RDONLY), 0), (files[0], 1), (files[1], 2)):
        os.dup2(number, target)
        os.close(number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv[:] = [module, *words]
    return module, 0


if __name__ == "__main__":
    main()
