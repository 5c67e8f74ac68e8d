"""Looks at a board while the work goes on: four times a second for a terminal, every ten seconds for a file."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live

REDRAWS_PER_S: Final = 4
_GLANCE_S: Final = 0.2


class Board(Protocol):
    """What there is to show. Times are seconds since the watch began."""

    def has_begun(self) -> bool:
        """Whether there is anything to tell yet."""

    def frame(self, elapsed_s: float, width: int, height: int) -> RenderableType:
        """The display at this moment, within so many cells and lines."""

    def report(self, elapsed_s: float) -> list[str]:
        """The same in plain lines: the run first, then what newly went wrong."""


@asynccontextmanager
async def watched(
    board: Board,
    on_live: Callable[[], None] | None = None,
    *,
    is_quiet: bool = False,
    every_s: float = 10,
    console: Console | None = None,
) -> AsyncIterator[None]:
    """Show the board on stderr while the context is open.

    On a terminal ``on_live`` is called once the display owns it, so that logging can be sent above. Elsewhere a line
    comes with the first page, every ``every_s`` seconds, and at the end; when ``is_quiet`` the first one is left out,
    and the last one too unless another came before. What goes wrong with the display never reaches the work.
    """
    console = console or Console(stderr=True)
    began_s = time.monotonic()
    if console.is_interactive and console.file.isatty():
        with Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False) as live:
            if on_live is not None:
                on_live()
            async with _beside(_redraw(live, board, began_s)):
                yield
        return
    spoken: list[str] = []

    def say() -> None:
        spoken[:] = board.report(time.monotonic() - began_s)
        for line in spoken:
            console.print(line, soft_wrap=True, markup=False, highlight=False)

    async with _beside(_speak(say, board, every_s, is_quiet=is_quiet)):
        yield
    if spoken or (board.has_begun() and not is_quiet):
        with suppress(Exception):
            say()


async def _redraw(live: Live, board: Board, began_s: float) -> None:
    while True:
        size = live.console.size
        frame = board.frame(time.monotonic() - began_s, size.width, size.height - 2)
        live.update(Group(frame, ""))  # an empty line takes the ^C that a terminal echoes, and keeps the count of lines
        await asyncio.to_thread(live.refresh)  # writing waits for the terminal
        await asyncio.sleep(1 / REDRAWS_PER_S)


async def _speak(say: Callable[[], None], board: Board, every_s: float, *, is_quiet: bool) -> None:
    if is_quiet:
        await asyncio.sleep(every_s)
    else:
        await _begun(board, every_s)
    while True:
        say()
        await asyncio.sleep(every_s)


async def _begun(board: Board, within_s: float) -> None:
    """Wait for something to tell, and not longer: that nothing came is worth a line too."""
    for _ in range(round(within_s / _GLANCE_S)):
        if board.has_begun():
            return
        await asyncio.sleep(_GLANCE_S)


@asynccontextmanager
async def _beside(display: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run the display as long as the context is open."""
    task = asyncio.create_task(display)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
