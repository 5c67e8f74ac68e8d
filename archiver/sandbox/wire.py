"""Where a provider's JSON keeps what faults change. The providers write this down, the faults know no provider."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str, ...]
"""Keys from the top of a document downwards."""


def _nowhere(_document: Any) -> None:
    """A listing without cursors has none that leads back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A provider's documents. A path may be empty where the provider has no such thing.

    ``rows`` leads to a page's recordings, and in the answer of retrieve to the one; ``name`` is the key of its id,
    which with ``is_numbered_by_listing`` is unique in its listing only.
    ``durations``, ``sizes``, ``names`` and ``moments`` are keys of a recording. ``total`` counts the rows of a listing.
    ``following`` says where the next page is, None or absent at the end; ``again`` what it says where that is a page
    that was read. ``positions`` are the parameters that say where to go on.
    """

    rows: Path
    name: str
    durations: tuple[str, ...]
    moments: tuple[str, ...]
    sizes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    total: Path = ()
    following: Path = ()
    positions: tuple[str, ...] = ()
    again: Callable[[Any], Any] = _nowhere
    is_numbered_by_listing: bool = False

    def recording_id(self, row: Any, listing: str | None) -> str | None:
        """Which recording a row of this listing means, None for a row that names none."""
        name = row.get(self.name) if isinstance(row, dict) else None
        if name is None:
            return None
        return f"{listing}:{name}" if self.is_numbered_by_listing else str(name)

    def rows_of(self, document: Any) -> list[Any]:
        """The recordings of a page or of an answer to retrieve; their documents may be changed in place."""
        found = peek(document, self.rows)
        if found is None:
            return [document] if isinstance(document, dict) and self.name in document else []
        return found if isinstance(found, list) else [found]

    def put_rows(self, document: Any, rows: Sequence[Any]) -> None:
        """Replace them in place; a single document stays single."""
        found = peek(document, self.rows)
        if isinstance(found, list):
            found[:] = rows
        elif found is not None and rows:
            put(document, self.rows, rows[0])


def peek(document: Any, path: Path) -> Any:
    """What lies there, or None."""
    for key in path:
        if not isinstance(document, dict) or key not in document:
            return None
        document = document[key]
    return document


def put(document: Any, path: Path, value: Any) -> None:
    """Write it there; what leads there must exist."""
    if path:
        peek(document, path[:-1])[path[-1]] = value


def read(body: bytes) -> Any:
    """A document that is being sent, or None when it is none."""
    try:
        return json.loads(body)
    except ValueError:
        return None
