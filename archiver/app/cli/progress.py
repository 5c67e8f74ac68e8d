"""One line that moves: how far walks and downloads are. On a terminal only; elsewhere the log says what happens."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from archiver.model.account import AccountName
from archiver.model.units import format_size
from archiver.pipeline.tally import Tally

REDRAWS_PER_S: Final = 5


@asynccontextmanager
async def progress_line(tallies: Mapping[AccountName, Tally], on_live: Callable[[], None]) -> AsyncIterator[None]:
    """Show the tallies while the context is open, when stderr is a terminal.

    ``on_live`` is called once the line owns the terminal, so that logging can be sent above it.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    started = time.monotonic()
    with Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False) as live:
        on_live()

        async def redraw() -> None:
            while True:
                live.update(progress_text(tallies.values(), time.monotonic() - started), refresh=True)
                await asyncio.sleep(1 / REDRAWS_PER_S)

        painter = asyncio.create_task(redraw())
        try:
            yield
        finally:
            painter.cancel()
            await asyncio.gather(painter, return_exceptions=True)


def progress_text(tallies: Collection[Tally], elapsed_s: float) -> Text:
    """The line: what was listed, what was verified, what is on its way, and how fast."""
    seen = sum(reached.seen for tally in tallies for reached in tally.reached.values())
    claimed = sum(reached.total or reached.seen for tally in tallies for reached in tally.reached.values())
    is_walking = any(not reached.is_over for tally in tallies for reached in tally.reached.values())
    moved = sum(tally.bytes for tally in tallies)
    text = Text.assemble(
        ("listed ", "dim"),
        f"{seen:,}" + (f" of {max(seen, claimed):,}" if is_walking else ""),
        ("  new ", "dim"),
        f"{sum(tally.new for tally in tallies):,}",
        ("  verified ", "dim"),
        (f"{sum(tally.verified for tally in tallies):,}", "green"),
        ("  in flight ", "dim"),
        f"{sum(tally.in_flight for tally in tallies)}",
        ("  ", ""),
        f"{format_size(moved)}",
        (f"  {format_size(moved / elapsed_s if elapsed_s else 0)}/s  {elapsed_s:,.0f} s", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )
    refused = sum(tally.refused for tally in tallies)
    return text.append(f"  refused {refused:,}", "yellow") if refused else text
