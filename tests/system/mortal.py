"""The installed command in an interpreter that counts its durable steps, and kills itself at one of them (R1).

Its ``main`` is that of ``archiver``. Two variables of the environment say what happens:

MORTAL_DEATH=KIND:N:MOMENT   SIGKILL at the Nth step of this kind, ``before`` or ``after`` it
MORTAL_COUNTS=FILE           at the end, how many steps of each kind there were, as one JSON object

Nothing of ours is patched: only what the standard library and asyncpg are called for. A write dies half-way instead of
before it, so that torn files come about. A commit is a ``COMMIT``, or a statement outside a transaction that writes.
"""

import builtins
import io
import json
import os
import re
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

from tests.system.stage import Answer, Stage, ended
from tests.system.warm import LIBRARIES, Order, Process, start

CALLS: Final = {"fsync": ("fsync",), "link": ("link",), "rename": ("rename", "replace"), "unlink": ("unlink",)}
"""The functions of ``os`` that are steps, by kind."""
KINDS: Final = (*CALLS, "mkdir", "write", "commit")
MOMENTS: Final = ("before", "after")
_DEATH: Final = "MORTAL_DEATH"
_COUNTS: Final = "MORTAL_COUNTS"
_WRITES: Final = re.compile(r"\b(INSERT|UPDATE|DELETE|CREATE)\b")


@dataclass(frozen=True, slots=True)
class Death:
    """When to die: ``moment`` the ``number``-th step of this kind, counted from one."""

    kind: str
    number: int
    moment: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.number}:{self.moment}"

    @classmethod
    def read(cls, text: str) -> Self:
        """The death that was written like ``fsync:7:after``."""
        kind, number, moment = text.split(":")
        return cls(kind, int(number), moment)


async def start_mortal(stage: Stage, death: Death, *words: str) -> Process:
    """Start a command that is going to die."""
    return await _start(stage, {_DEATH: str(death)}, *words)


async def run_mortal(stage: Stage, death: Death, *words: str) -> Answer:
    """Run a command to its death, or to its end when it makes fewer steps than that."""
    return await ended(await start_mortal(stage, death, *words), stage.within_s)


async def count_steps(stage: Stage, *words: str) -> dict[str, int]:
    """Run a command to its end; answers how many steps of each kind it made."""
    counts = stage.folder / "steps.json"
    answer = await ended(await _start(stage, {_COUNTS: str(counts)}, *words), stage.within_s)
    assert counts.exists(), answer.stderr
    found = json.loads(counts.read_text())
    return {kind: found.get(kind, 0) for kind in KINDS}


def kill_server(stage: Stage) -> None:
    """SIGKILL for the first process of the stage's private server, if it lives."""
    data = stage.folder.resolve() / "var" / "catalog" / "data"
    with suppress(OSError, IndexError):
        number = int((data / "postmaster.pid").read_text().split()[0])
        if str(data) in Path(f"/proc/{number}/cmdline").read_text():
            os.kill(number, signal.SIGKILL)


async def _start(stage: Stage, environ: dict[str, str], *words: str) -> Process:
    words = (*words, "--config", str(stage.config))
    return await start(Order(words=words, folder=stage.folder, module=__name__, environ=environ), LIBRARIES)


class Steps:
    """Counts the steps of this process, from any of its threads, and ends it at the one that was chosen."""

    def __init__(self, death: Death | None) -> None:
        self.counts: Counter[str] = Counter()
        self._death = death
        self._lock = Lock()

    @contextmanager
    def step(self, kind: str) -> Iterator[bool]:
        """A step is done inside; yields whether it is to be done by half, since death follows."""
        with self._lock:
            self.counts[kind] += 1
            is_last = self._death is not None and (kind, self.counts[kind]) == (self._death.kind, self._death.number)
        moment = self._death.moment if self._death and is_last else None
        is_half = moment == "before" and kind == "write"
        if moment == "before" and not is_half:
            _die()
        try:
            yield is_half
        finally:
            if is_last:
                _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wrap_files(steps: Steps) -> None:
    """Make steps of what the standard library does with files."""

    def wrapped(kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*arguments: Any, **options: Any) -> Any:
            with steps.step(kind):
                return call(*arguments, **options)

        return stepping

    for kind, names in (*CALLS.items(), ("mkdir", ("mkdir",))):
        for name in names:
            setattr(os, name, wrapped(kind, getattr(os, name)))
    opening = _opening(steps, io.open)
    for module in (builtins, io):
        setattr(module, "open", opening)  # noqa: B010 - a plain assignment would have to have its very type


def _opening(steps: Steps, opens: Callable[..., Any]) -> Callable[..., Any]:
    """``open``, whose unbuffered files for writing count what is written."""

    class Counted(io.FileIO):
        def write(self, content: Any) -> int:
            with steps.step("write") as is_half:
                return super().write(memoryview(content)[: len(content) // 2] if is_half else content)

    def opening(file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **options: Any) -> Any:
        if buffering != 0 or not set(mode) & set("wax+"):
            return opens(file, mode, buffering, *rest, **options)
        plain = {name: value for name, value in options.items() if name in {"closefd", "opener"}}
        return Counted(file, mode.replace("b", ""), **plain)

    return opening


def wrap_commits(steps: Steps) -> None:
    """Make steps of what asyncpg makes durable in the catalog."""
    from asyncpg import Connection  # noqa: PLC0415 - only the child needs it

    def wrapped(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def stepping(connection: Any, query: str, *arguments: Any, **options: Any) -> Any:
            is_alone = not connection.is_in_transaction() and _WRITES.search(query)
            is_forwarded = call is execute and arguments  # it comes by once more, as a prepared statement
            if is_forwarded or not (is_alone or query.startswith("COMMIT")):
                return await call(connection, query, *arguments, **options)
            with steps.step("commit"):
                return await call(connection, query, *arguments, **options)

        return stepping

    execute = Connection.execute
    for name in ("execute", "_execute"):
        setattr(Connection, name, wrapped(getattr(Connection, name)))


def main() -> None:
    """Be ``archiver``, for as long as it lasts."""
    death = os.environ.get(_DEATH)
    steps = Steps(Death.read(death) if death else None)
    wrap_files(steps)
    wrap_commits(steps)
    from archiver.app.cli.main import main as archiver  # noqa: PLC0415 - after what it calls was wrapped

    try:
        archiver()
    finally:
        counts = json.dumps(steps.counts)
        if _COUNTS in os.environ:
            Path(os.environ[_COUNTS]).write_text(counts)
