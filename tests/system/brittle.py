"""A machine that breaks on order: calls of the standard library that fail below a folder, and a clock that hurries.

Its ``main`` is that of the installed command on such a machine: ``ORDER WORDS…``. Nothing of ours is touched: what
fails are the calls that the interpreter makes.
"""

import asyncio
import builtins
import errno
import importlib
import io
import json
import os
import selectors
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.system import warm
from tests.system.warm import Process

FOR_EVER = 1 << 30
WITHIN_S = 60
PROBE = "/.archiver/probe"
CHANGES = frozenset({"create", "write", "fsync", "fsync_folder", "link", "replace", "mkdir", "unlink"})
"""What a fault of ``any`` strikes. There are ``open``, ``read`` and ``statvfs`` too; the last finds no room."""


@dataclass(frozen=True)
class Fault:
    """``count`` calls fail, the first of them is the ``first`` of its kind."""

    call: str
    error: str = "EIO"
    first: int = 1
    count: int = 1


@dataclass(frozen=True)
class Order:
    """What breaks below ``folder``, where a storage's probes are spared, and how fast time goes by."""

    folder: str
    faults: tuple[Fault, ...] = ()
    hurry: float = 1.0

    async def start(self, config: Path, *words: str) -> Process:
        """Start a command on such a machine."""
        words = (json.dumps(asdict(self)), *words, "--config", str(config))
        return await warm.start(warm.Order(words=words, folder=config.parent, module=__name__), warm.LIBRARIES)


@dataclass
class Breaker:
    """Counts calls and lets some of them fail. ``struck`` says where."""

    order: Order
    struck: list[str] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def strike(self, call: str, place: Any) -> None:
        """Raise OSError when it is this call's turn to fail."""
        path = os.fsdecode(os.readlink(f"/proc/self/fd/{place}") if isinstance(place, int) else place)
        if not path.startswith(self.order.folder) or PROBE in path:
            return
        with self._turn:
            for kind in {call} | ({"any"} & {"any" if call in CHANGES else ""}):
                self._counts[kind] += 1
                for fault in self.order.faults:
                    if fault.call == kind and 0 <= self._counts[kind] - fault.first < fault.count:
                        self.struck.append(f"{call} {path}")
                        number = getattr(errno, fault.error)
                        raise OSError(number, os.strerror(number), path)

    def patches(self) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
        """The calls that are replaced: where, their name, and by what."""
        for call, place in (("link", 1), ("replace", 1), ("rename", 1), ("mkdir", 0), ("unlink", 0)):
            name = "replace" if call == "rename" else call
            yield os, call, partial(self._before, name, place, getattr(os, call))
        yield os, "open", partial(self._open, os.open)
        yield os, "fsync", partial(self._fsync, os.fsync)
        yield os, "statvfs", partial(self._statvfs, os.statvfs)
        yield io, "FileIO", self._file_type()
        yield io, "open", partial(self._open_file, io.open)

    def _before(self, call: str, place: int, real: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        self.strike(call, arguments[place])
        return real(*arguments, **more)

    def _open(self, real: Callable[..., int], path: Any, flags: int, *arguments: Any, **more: Any) -> int:
        self.strike("create" if flags & os.O_CREAT else "open", path)
        return real(path, flags, *arguments, **more)

    def _fsync(self, real: Callable[[int], None], file: Any) -> None:
        number = file if isinstance(file, int) else file.fileno()
        self.strike("fsync_folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "fsync", number)
        real(number)

    def _statvfs(self, real: Callable[[Any], os.statvfs_result], path: Any) -> os.statvfs_result:
        found = real(path)
        try:
            self.strike("statvfs", path)
        except OSError:
            return os.statvfs_result((*found[:4], 0, *found[5:]))
        return found

    def _file_type(self) -> type[io.FileIO]:
        breaker = self

        class BrittleFile(io.FileIO):
            """A file whose writes fail in their middle, as on a disk that fills up, and whose reads fail."""

            def write(self, content: Any) -> int:
                try:
                    breaker.strike("write", self.fileno())
                except OSError:
                    super().write(memoryview(content)[: len(content) // 2])
                    raise
                return super().write(content)

            def readinto(self, buffer: Any) -> int:
                try:
                    breaker.strike("read", self.fileno())
                except OSError:
                    del buffer  # no traceback may keep it, as none does when the interpreter itself fails
                    raise
                return super().readinto(buffer)

        return BrittleFile

    def _open_file(
        self, real: Callable[..., Any], file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **more: Any
    ) -> Any:
        if "w" in mode and not isinstance(file, int):
            self.strike("create", file)
        if buffering == 0:
            return io.FileIO(file, mode.replace("b", ""), more.get("closefd", True), more.get("opener"))
        return real(file, mode, buffering, *rest, **more)


async def until_said(process: Process, words: bytes) -> None:
    """Return when a command has said this on stderr."""
    assert process.stderr is not None
    async with asyncio.timeout(WITHIN_S):
        async for line in process.stderr:
            if words in line:
                return
    raise AssertionError(f"the command ended without saying {words!r}")


@contextmanager
def broken(order: Order) -> Iterator[Breaker]:
    """This process on such a machine, as far as ``os`` and ``io`` are asked by name; nothing is really synced."""
    breaker, real = Breaker(order), []
    try:
        for module, name, patch in breaker.patches():
            real.append((module, name, getattr(module, name)))
            setattr(module, name, patch)
        os.fsync = partial(breaker._fsync, lambda _: None)
        yield breaker
    finally:
        for module, name, former in real:
            setattr(module, name, former)


def hurry(factor: float) -> None:
    """Let time go by faster for this process: its clocks, and the waits of its event loops."""
    clock, select = time.monotonic, selectors.DefaultSelector.select
    time.monotonic = lambda: clock() * factor

    def wait(self: Any, timeout: float | None = None) -> Any:
        return select(self, None if timeout is None else timeout / factor)

    selectors.DefaultSelector.select = wait  # type: ignore[method-assign]


def main() -> None:
    """Break the machine, then run the command."""
    document = json.loads(sys.argv.pop(1))
    faults = tuple(Fault(**fault) for fault in document.pop("faults"))
    order = Order(**document, faults=faults)
    for module, name, patch in Breaker(order).patches():
        setattr(module, name, patch)
    builtins.open = io.open
    hurry(order.hurry)
    importlib.import_module("archiver.app.cli.main").main()
