"""SIGINT and SIGTERM: the first drains, the second aborts."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta


@dataclass(slots=True)
class Interruption:
    """What signals asked for so far. ``drain`` is what the first one calls; None: it cancels at once."""

    grace: timedelta
    drain: Callable[[], None] | None = None
    received: signal.Signals | None = None
    is_aborted: bool = False

    @property
    def exit_code(self) -> int:
        """128 + the signal's number after a clean drain, 1 after an abort."""
        return 1 if self.is_aborted or self.received is None else 128 + self.received


@contextmanager
def interruptible(interruption: Interruption) -> Iterator[None]:
    """Handle signals for the current task: drain on the first, cancel on the second or when the grace is over."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is None:
        raise RuntimeError("signals are handled for a task")

    def on_signal(number: signal.Signals) -> None:
        if interruption.received is not None:
            interruption.is_aborted = True
            task.cancel()
            return
        interruption.received = number
        if interruption.drain is None:
            task.cancel()
            return
        interruption.drain()
        loop.call_later(interruption.grace.total_seconds(), task.cancel)

    handled = (signal.SIGINT, signal.SIGTERM)
    for number in handled:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
