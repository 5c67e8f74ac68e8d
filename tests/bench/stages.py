"""Where the time of a backfill goes: ``python -m tests.bench.stages CONFIG RECORDINGS``, which ``make bench`` runs.

The command runs in this process, with a clock around each stage's function and a look at the event loop's thread every
few milliseconds. Stages of different recordings run at the same time, so their sums exceed the wall; a stage that is
indented is part of the one above it, and what it leaves of that one is mostly waiting: for a thread, or for the loop.
"""

import inspect
import io
import os
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import wraps
from types import FrameType
from typing import Any, Final

from archiver.app.cli.main import main as run_archiver
from archiver.catalog.intake import PostgresIntake
from archiver.catalog.work import PostgresWork
from archiver.net.http import HttpClient
from archiver.pipeline import flow
from archiver.pipeline.registrar import Registrar
from archiver.pipeline.spool import Spool
from archiver.pipeline.store import Shelf
from archiver.providers.vobiz import VobizProvider
from archiver.storage import files, publishing
from archiver.storage.local import LocalStorage
from archiver.storage.medium import MediumReader
from archiver.storage.publishing import Publisher

STAGES: Final[tuple[tuple[str, object, str], ...]] = (
    ("list a page", VobizProvider, "list_page"),
    ("record a page", PostgresIntake, "record"),
    ("claim", PostgresWork, "claim"),
    ("outlook", PostgresWork, "outlook"),
    ("download", flow, "download"),
    ("  until headers", HttpClient, "_send"),
    ("  spool and hash", Spool, "write"),
    ("accept", flow, "accept"),
    ("store", Shelf, "store"),
    ("  publish in a thread", Publisher, "publish"),
    ("    write, sync parts", publishing, "write_durably"),
    ("    sidecar's folder", publishing, "sync"),
    ("    link, unlink", publishing, "move_durably"),
    ("      audio's folder", files, "sync"),
    ("settle", Registrar, "settle"),
    ("  commit", PostgresWork, "settle"),
    ("read back", LocalStorage, "read_back"),
    ("  read in a thread", MediumReader, "advance"),
    ("any fsync", os, "fsync"),
)
"""The stage's name, and the function to put a clock around."""

_LOOK_EVERY_S: Final = 0.005
_SHOWN: Final = 14


@dataclass(slots=True)
class Stopwatch:
    """Spans by stage: seconds of the clock, and of the processor where the whole stage runs in one thread."""

    spans: defaultdict[str, list[tuple[float, float | None]]] = field(default_factory=lambda: defaultdict(list))

    def install(self) -> None:
        """Put a clock around every stage, for the rest of this process."""
        for stage, owner, name in STAGES:
            setattr(owner, name, self._timed(stage, getattr(owner, name)))

    def _timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        spans = self.spans[stage]

        @wraps(function)
        async def awaited(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return await function(*arguments, **named)
            finally:
                spans.append((time.perf_counter() - started, None))

        @wraps(function)
        def called(*arguments: Any, **named: Any) -> Any:
            started, worked = time.perf_counter(), time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                spans.append((time.perf_counter() - started, time.thread_time() - worked))

        return awaited if inspect.iscoroutinefunction(function) else called

    def show(self, wall_s: float, count: int) -> None:
        """Print a line for each stage; milliseconds are per recording."""
        print(
            "\nOne backfill with sidecars, from inside. Stages of different recordings overlap: sums exceed the wall."
        )
        print(f"{'stage':24} {'calls':>7} {'total s':>8} {'ms each':>8} {'cpu ms':>7} {'of wall':>8}")
        for stage, spans in self.spans.items():
            total_s = sum(span for span, _ in spans)
            worked = [cpu_s for _, cpu_s in spans if cpu_s is not None]
            cpu = f"{sum(worked) / count * 1e3:7.2f}" if worked else " " * 7
            share = f"{total_s / wall_s:8.0%}"
            print(f"{stage:24} {len(spans):7,} {total_s:8.2f} {total_s / count * 1e3:8.2f} {cpu} {share}")


@dataclass(slots=True)
class Lookout:
    """What the event loop's thread was seen doing: waiting, or in which module of ours, or in whose library."""

    seen: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        """Look every few milliseconds, by a signal: where it finds this thread, its handler is told."""
        signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, _LOOK_EVERY_S, _LOOK_EVERY_S)

    def stop(self) -> None:
        """Look no more."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _look(self, _number: int, frame: FrameType | None) -> None:
        if frame is not None:
            self.seen[_place(frame)] += 1

    def show(self) -> None:
        """Print how busy the thread was, and with what."""
        total, idle = self.seen.total(), self.seen.pop("selectors", 0)
        print(f"\nthe event loop's thread was busy for {1 - idle / total:.0%} of the wall; of that time it was in")
        for name, times in self.seen.most_common(_SHOWN):
            print(f"  {name:34} {times / (total - idle):6.1%}")


def _place(frame: FrameType) -> str:
    """The innermost module of ours on the stack; else the package of the innermost frame."""
    innermost, step = str(frame.f_globals.get("__name__")), frame
    while True:
        name = str(step.f_globals.get("__name__"))
        if name.startswith("archiver.") and not name.startswith("archiver.app"):
            return name
        if step.f_back is None:
            return innermost.partition(".")[0]
        step = step.f_back


def main() -> None:
    """Run a backfill under the clocks and print what they showed."""
    config, count = sys.argv[1], int(sys.argv[2])
    stopwatch, lookout = Stopwatch(), Lookout()
    stopwatch.install()
    lookout.start()
    sys.argv = ["archiver", "backfill", "--config", config, "--log-level", "warning"]
    started, process_s, thread_s = time.perf_counter(), time.process_time(), time.thread_time()
    try:
        with redirect_stdout(io.StringIO()):
            run_archiver()
    except SystemExit as ended:
        if ended.code:
            raise
    wall_s, process_s = time.perf_counter() - started, time.process_time() - process_s
    thread_s = time.thread_time() - thread_s
    lookout.stop()
    stopwatch.show(wall_s, count)
    print(
        f"\nwall {wall_s:.1f} s; processor {process_s:.1f} s, {process_s / count * 1e3:.2f} ms each: "
        f"{thread_s:.1f} s in the event loop's thread, {process_s - thread_s:.1f} s in others"
    )
    lookout.show()


if __name__ == "__main__":
    main()
