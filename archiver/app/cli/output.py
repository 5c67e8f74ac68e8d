"""How commands answer: JSON for scripts, tables for people, one way to say what went wrong."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from archiver.model.errors import ArchiverError


def print_json(document: Mapping[str, object]) -> None:
    """One JSON object on one line of stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, default=_plain) + "\n")


def print_error(error: ArchiverError, *, as_json: bool) -> None:
    """What went wrong and what to do about it: on stderr for people, on stdout for scripts."""
    if as_json:
        print_json({"error": error.facts()})
        return
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print("error: ", style="bold red", end="")
    console.print(str(error), markup=False)
    if error.fix and error.fix not in str(error):
        console.print("  fix: ", style="bold", end="")
        console.print(error.fix, markup=False)


def stdout_console() -> Console:
    """The console for results; without a terminal it is wide and plain."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=200)


def plain_table(*columns: str, numbers: frozenset[str] = frozenset()) -> Table:
    """A table without a frame; the columns named in ``numbers`` are set flush right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", no_wrap=True)
    return table


def instant(moment: datetime | None) -> str | None:
    """A time as the contract writes it: UTC, ending in ``Z``."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def short_instant(moment: datetime | None) -> str:
    """A time for people: UTC to the minute, a dash when there is none."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if moment else "-"


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return instant(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
