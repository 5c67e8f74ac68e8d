"""An event loop whose time goes by at once whenever everybody sleeps: hours of pacing take a moment."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

Answer = TypeVar("Answer")
_START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class _Selector(selectors.DefaultSelector):
    """Instead of waiting for a time to come, it lets it have come."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; nothing is ever waited for."""
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class HastyLoop(asyncio.SelectorEventLoop):
    """The loop; ``time`` is what its sleepers have slept."""

    def __init__(self) -> None:
        self._hasty = _Selector()
        super().__init__(self._hasty)

    def time(self) -> float:
        """Seconds since it was made."""
        return self._hasty.now

    def moment(self) -> datetime:
        """The same as an instant."""
        return _START + timedelta(seconds=self.time())


def run_hastily(main: Coroutine[Any, Any, Answer]) -> Answer:
    """Run to the end on a loop of its own."""
    with asyncio.Runner(loop_factory=HastyLoop) as runner:
        return runner.run(main)


def hasty_loop() -> HastyLoop:
    """The loop that runs."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, HastyLoop)
    return loop
