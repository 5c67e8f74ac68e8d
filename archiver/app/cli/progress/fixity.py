"""The board of ``verify``: how many stored copies were read back, and which of them are not what they were."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from rich.segment import Segments

from archiver.app.cli.progress.grid import NO_CELL, Cell, Column, Row, clean, clipped, grid, stacked
from archiver.app.cli.progress.pace import Recent, span, time_left
from archiver.app.cli.progress.watch import watched
from archiver.model.units import format_size

_COLUMNS: Final = (
    Column(title="checked", weight=5),
    Column(title="ok", weight=2),
    Column(title="damaged", weight=8),
    Column(title="missing", weight=7),
    Column(title="unreadable", weight=6),
    Column(title="size", weight=1, least_width=7),
    Column(title="speed", weight=3, least_width=9),
    Column(title="ETA", weight=4, least_width=6),
)


class FixityTally(Protocol):
    """What a fixity run counts while it goes on; ``total`` is None until it is known what there is to check."""

    @property
    def checked(self) -> int:
        """Copies that were looked at, whatever came of it."""

    @property
    def ok(self) -> int:
        """Those that are equal to the catalog's digest."""

    @property
    def damaged(self) -> Sequence[str]:
        """The recordings with other bytes, by id."""

    @property
    def missing(self) -> Sequence[str]:
        """The recordings without a copy, by id."""

    @property
    def unreadable(self) -> Sequence[str]:
        """Those of which storage gave no bytes to judge, by id."""

    @property
    def bytes(self) -> int:
        """How much was read."""

    @property
    def total(self) -> int | None:
        """How many copies there are to check."""


def verify_progress(
    tally: FixityTally, on_live: Callable[[], None] | None = None, *, is_quiet: bool = False
) -> AbstractAsyncContextManager[None]:
    """Show on stderr what a fixity run comes to while the context is open; see ``watched``."""
    return watched(Fixity(tally), on_live, is_quiet=is_quiet)


class Fixity:
    """Shows the tally of a fixity run."""

    def __init__(self, tally: FixityTally) -> None:
        self._tally = tally
        self._bytes = Recent(5)
        self._checked = Recent(60)

    def has_begun(self) -> bool:
        """Whether a copy was checked."""
        return self._tally.checked > 0

    def frame(self, elapsed_s: float, width: int, height: int) -> Segments:
        """One row, and the last finding; three lines, however high the terminal is."""
        tally, finding = self._tally, self._finding()
        rest_s, per_s = self._rest_s(elapsed_s), self._bytes.per_s(tally.bytes, elapsed_s)
        cells = {
            "checked": (self._progress("/"), ""),
            "ok": (f"{tally.ok:,}", "green" if tally.ok else "dim"),
            "damaged": _found(tally.damaged, "red"),
            "missing": _found(tally.missing, "red"),
            "unreadable": _found(tally.unreadable, "yellow"),
            "size": (format_size(tally.bytes), "" if tally.bytes else "dim"),
            "speed": (f"{format_size(per_s)}/s", "") if per_s else NO_CELL,
            "ETA": (span(rest_s), "") if rest_s else NO_CELL,
        }
        columns = [one for one in _COLUMNS if one.title != "unreadable" or tally.unreadable]
        row = Row(name=("verify", ""), cells=[cells[column.title] for column in columns])
        lines = grid(f"after {span(elapsed_s)}", columns, [row], width)
        return stacked([*lines, *([clipped((finding, "red"), width)] if finding else [])])

    def report(self, elapsed_s: float) -> list[str]:
        """One line."""
        tally, finding = self._tally, self._finding()
        rest_s, per_s = self._rest_s(elapsed_s), self._bytes.per_s(tally.bytes, elapsed_s)
        counts = f"{tally.ok:,} ok, {len(tally.damaged):,} damaged, {len(tally.missing):,} missing"
        counts += f", {len(tally.unreadable):,} unreadable" if tally.unreadable else ""
        moved = f"{format_size(tally.bytes)}, {format_size(per_s)}/s"
        line = f"after {span(elapsed_s)}: checked {self._progress(' of ')}, {counts}, {moved}"
        return [line + (f", about {span(rest_s)} to go" if rest_s else "") + (f"; {finding}" if finding else "")]

    def _progress(self, of: str) -> str:
        return f"{self._tally.checked:,}" + ("" if self._tally.total is None else f"{of}{self._tally.total:,}")

    def _rest_s(self, elapsed_s: float) -> float | None:
        per_s = self._checked.per_s(self._tally.checked, elapsed_s)
        return time_left(None if self._tally.total is None else self._tally.total - self._tally.checked, per_s)

    def _finding(self) -> str | None:
        """The last of the damaged, else of the missing, else of the unreadable ones."""
        tally = self._tally
        for word, ids in (("damaged", tally.damaged), ("missing", tally.missing), ("unreadable", tally.unreadable)):
            if ids:
                return f"last {word}: {clean(ids[-1])}"
        return None


def _found(ids: Sequence[str], style: str) -> Cell:
    return f"{len(ids):,}", style if ids else "dim"
