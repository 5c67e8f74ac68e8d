"""The board of a backfill: a row per account, a row for all, and the last error."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

from rich.segment import Segments

from archiver.app.cli.progress.figures import Figures, Meter, together
from archiver.app.cli.progress.grid import NO_CELL, Cell, Column, Row, clean, clipped, counted, grid, stacked
from archiver.app.cli.progress.pace import span
from archiver.app.cli.progress.watch import watched
from archiver.model.account import AccountName
from archiver.model.units import format_size
from archiver.pipeline.tally import Tally

_COLUMNS: Final = (
    Column(title="listed", weight=7, least_width=7),
    Column(title="known", weight=0),
    Column(title="new", weight=5),
    Column(title="stored", weight=4),
    Column(title="verified", weight=8),
    Column(title="failed", weight=11),
    Column(title="suspect", weight=10),
    Column(title="in flight", weight=2),
    Column(title="size", weight=1, least_width=7),
    Column(title="speed", weight=6, least_width=9),
    Column(title="ETA", weight=9, least_width=6),
)
_STYLES: Final = {"verified": "green", "failed": "red", "suspect": "yellow"}
_ONLY_IF_ANY: Final = ("failed", "suspect")
_LONGEST_ERROR: Final = 300


def backfill_progress(
    tallies: Mapping[AccountName, Tally], on_live: Callable[[], None] | None = None, *, is_quiet: bool = False
) -> AbstractAsyncContextManager[None]:
    """Show on stderr what the tallies come to while the context is open; see ``watched``."""
    return watched(Archiving(tallies), on_live, is_quiet=is_quiet)


class Archiving:
    """Shows tallies while a backfill fills them."""

    def __init__(self, tallies: Mapping[AccountName, Tally]) -> None:
        self._meters = {name: Meter(tally) for name, tally in tallies.items()}
        self._errors: dict[AccountName, tuple[int, str]] = {}
        self._latest: AccountName | None = None
        self._told: dict[AccountName, str] = {}

    def has_begun(self) -> bool:
        """Whether a first page came."""
        return any(walk.seen for meter in self._meters.values() for walk in meter.tally.reached.values())

    def frame(self, elapsed_s: float, width: int, height: int) -> Segments:
        """The table: the busiest accounts when there are more than lines."""
        parts = self._look(elapsed_s)
        if not parts:
            return stacked([])
        total, error = together(list(parts.values())), self._last_error()
        room = height - 1 - (len(parts) > 1) - (error is not None)
        shown = _busiest(parts, room)
        columns = [one for one in _COLUMNS if one.title not in _ONLY_IF_ANY or total.counts[one.title]]
        rows = [_row((name, "red" if parts[name].is_stopped else ""), parts[name], columns) for name in shown]
        if len(shown) < len(parts):
            rows.append(Row(name=(f"… and {len(parts) - len(shown):,} more", "dim"), cells=[("", "")] * len(columns)))
        if len(parts) > 1:
            rows.append(_row((counted(len(parts), "account"), "bold"), total, columns))
        lines = grid(f"after {span(elapsed_s)}", columns, rows, width)
        return stacked([*lines, *([clipped(error, width)] if error else [])])

    def report(self, elapsed_s: float) -> list[str]:
        """One line for the run; with several accounts also one for each that something newly went wrong with."""
        parts = self._look(elapsed_s)
        if not parts:
            return []
        total, error = together(list(parts.values())), self._last_error()
        line = f"after {span(elapsed_s)}: {_sentence(total)}" + (f"; {error[0]}" if error else "")
        return [line, *(self._news(parts) if len(parts) > 1 else [])]

    def _look(self, elapsed_s: float) -> dict[AccountName, Figures]:
        """Read every tally, and notice whose error is the latest."""
        for name, meter in self._meters.items():
            tally = meter.tally
            text = tally.last_error or (str(tally.trouble) if tally.trouble else None)
            if text and self._errors.get(name) != (tally.refused, text):
                self._errors[name], self._latest = (tally.refused, text), name
        return {name: meter.read(elapsed_s) for name, meter in self._meters.items()}

    def _last_error(self) -> Cell | None:
        if self._latest is None:
            return None
        refused = sum(count for count, _ in self._errors.values())
        before = f"{counted(refused, 'attempt')} failed, last" if refused else "last error"
        return f"{before}: {self._latest}: {clean(self._errors[self._latest][1])[:_LONGEST_ERROR]}", "yellow"

    def _news(self, parts: Mapping[AccountName, Figures]) -> list[str]:
        news = {name: _trouble(part, self._errors.get(name)) for name, part in parts.items()}
        fresh = [f"  {name}: {text}" for name, text in news.items() if text and self._told.get(name) != text]
        self._told = news
        return fresh


def _row(name: Cell, part: Figures, columns: Sequence[Column]) -> Row:
    cells = {word: (f"{count:,}", _STYLES.get(word, "") if count else "dim") for word, count in part.counts.items()}
    cells |= {
        "listed": _listed(part),
        "size": (format_size(part.size_bytes), "" if part.size_bytes else "dim"),
        "speed": (f"{format_size(part.bytes_per_s)}/s", "") if part.bytes_per_s else NO_CELL,
        "ETA": _rest(part),
    }
    return Row(name=name, cells=[cells[column.title] for column in columns])


def _listed(part: Figures) -> Cell:
    if part.is_walked:
        return (f"{part.seen:,} ✓", "green") if part.is_complete else (f"{part.seen:,} !", "yellow")
    if part.claimed is not None:
        return f"{part.seen:,}/{part.claimed:,}", ""
    return (f"{part.seen:,}/?", "") if part.seen else NO_CELL


def _rest(part: Figures) -> Cell:
    if not part.rest_s:
        return ("done", "green") if part.rest_s is not None and part.is_walked else NO_CELL
    return span(part.rest_s), ""


def _busiest(parts: Mapping[AccountName, Figures], room: int) -> list[AccountName]:
    """The accounts that fit into so many lines, in their order; a line is kept for the number of the others."""
    if len(parts) <= room:
        return list(parts)

    def busyness(name: AccountName) -> tuple[bool, float]:
        part = parts[name]
        return not (part.is_walked and part.rest_s == 0), part.bytes_per_s

    chosen = set(sorted(parts, key=busyness, reverse=True)[: max(1, room - 1)])
    return [name for name in parts if name in chosen]


def _sentence(total: Figures) -> str:
    known_end = total.claimed is not None and not total.is_walked
    listed = f"listed {total.seen:,}" + (f" of {total.claimed:,}" if known_end else "")
    counts = ", ".join(f"{total.counts[word]:,} {word}" for word in ("new", "stored", "verified", "failed"))
    moved = f"{format_size(total.size_bytes)}, {format_size(total.bytes_per_s)}/s"
    left = "" if total.left is None else f", {total.left:,} left"
    return f"{listed}, {counts}, {moved}{left}" + (f", about {span(total.rest_s)} to go" if total.rest_s else "")


def _trouble(part: Figures, error: tuple[int, str] | None) -> str:
    """What went wrong with an account, in words; empty when nothing did."""
    facts = [f"{part.counts[word]:,} {word}" for word in _ONLY_IF_ANY if part.counts[word]]
    if part.counts["refused"]:
        facts.append(f"{counted(part.counts['refused'], 'attempt')} failed")
    if error:
        facts.append(f"last error: {clean(error[1])[:_LONGEST_ERROR]}")
    return ", ".join(facts)
