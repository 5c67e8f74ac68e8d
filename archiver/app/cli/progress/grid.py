"""Rows under headings that fit a width: the lightest columns go first, then names are cut; nothing ever wraps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from rich.segment import Segment, Segments
from rich.style import Style
from rich.text import Text

Cell: TypeAlias = tuple[str, str]
"""What stands in a column, and its style."""

NO_CELL: Final[Cell] = ("–", "dim")  # noqa: RUF001 - a dash
_GAP: Final = 2
_SHORTEST_NAME: Final = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column, set flush right. ``least_width`` keeps it from jumping when its text changes."""

    title: str
    weight: int
    least_width: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A name and a cell for each column. All is ASCII or one cell wide."""

    name: Cell
    cells: Sequence[Cell]


def grid(corner: str, columns: Sequence[Column], rows: Sequence[Row], width: int) -> list[list[Segment]]:
    """The heading, with ``corner`` above the names, and a line for each row, none wider than ``width`` cells.

    These are segments, not a table of rich, which would measure and wrap every cell at each redraw.
    """
    heading = Row(name=(corner, "dim"), cells=[(column.title, "dim") for column in columns])
    lines = [heading, *rows]
    widths = [
        max(column.least_width, *(len(line.cells[place][0]) for line in lines)) for place, column in enumerate(columns)
    ]
    longest = max(len(line.name[0]) for line in lines)
    kept = _kept(columns, widths, width - min(longest, _SHORTEST_NAME))
    name_width = max(0, min(longest, width - sum(widths[place] + _GAP for place in kept)))
    return [_line(line, kept, widths, name_width) for line in lines]


def cut(name: str, width: int) -> str:
    """A name in at most ``width`` characters; what goes is in the middle, since names differ at their ends."""
    if len(name) <= width:
        return name
    tail = max(0, width - 1) // 2
    return (name[: max(0, width - 1 - tail)] + "…" + name[len(name) - tail :])[:width]


def clean(text: str) -> str:
    """A text from outside as one line, without what a terminal would obey."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text[:2000]).split())


def counted(count: int, noun: str) -> str:
    """``1 recording``, ``2 recordings``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def clipped(cell: Cell, width: int) -> list[Segment]:
    """One line of any text, cut to the width."""
    text = Text(cell[0])
    text.truncate(width, overflow="ellipsis")
    return [_segment((text.plain, cell[1]))]


def stacked(lines: Sequence[list[Segment]]) -> Segments:
    """The lines, one below the other."""
    return Segments([segment for line in lines for segment in (*line, Segment.line())])


def _kept(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """The places of the columns that fit, in order."""
    kept = list(range(len(columns)))
    while kept and sum(widths[place] + _GAP for place in kept) > room:
        kept.remove(min(kept, key=lambda place: columns[place].weight))
    return kept


def _line(row: Row, kept: Sequence[int], widths: Sequence[int], name_width: int) -> list[Segment]:
    name, style = row.name
    line = [_segment((cut(name, name_width).ljust(name_width), style))]
    for place in kept:
        value, style = row.cells[place]
        line.append(_segment((value.rjust(widths[place] + _GAP), style)))
    return line


def _segment(cell: Cell) -> Segment:
    return Segment(cell[0], Style.parse(cell[1]) if cell[1] else None)
