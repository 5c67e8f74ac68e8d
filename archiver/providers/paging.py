"""Paging as pure arithmetic: where a walk stands, what to ask for next, and when the listing has ended.

Offset paging over a set that changes: a row that appears before our position moves the others down, and they come
twice; a row that vanishes there moves them up, and one is skipped. So every request re-reads the last row of the page
before, as an anchor. When none of that page's last rows is in the answer the rows have moved: we step back, page by
page, until one is found or the beginning is reached, and read on from there (D1). The price is one row a page.

A server that rounds offsets down to whole pages never shows an anchor and new rows together. It is told by an anchor
that is the last row again after a step back; then one page is read without an anchor, and a row deleted in that very
moment is left to the comparison of ids and total at the end of the walk.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

from archiver.model.listing import Cursor

_ANCHORS: Final = 5
"""So many of a page's last rows are remembered: were only one, its own delete would send us back a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a page said. ``row_keys`` tell all its rows from each other, the malformed ones included.

    ``has_next`` is the listing's claim that there is more; ``cursor`` the provider's own position, if it names one.
    """

    row_keys: Sequence[str]
    has_next: bool
    total: int | None = None
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where to go on, None at the end; ``doubt`` says why the listing cannot be complete although it ended."""

    following: "OffsetPosition | None"
    doubt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetPosition:
    """The next request of a walk by offset. It can be kept as text and used later, in another process.

    One of ``anchors`` is expected in the answer; without any, what comes is taken. ``width`` is the number of rows in
    the page before. ``is_step_back`` tells that an anchor was missed. A ``cursor`` that the provider named replaces
    the offset, which then only counts the rows read.
    """

    offset: int = 0
    anchors: tuple[str, ...] = ()
    width: int = 0
    is_step_back: bool = False
    cursor: str | None = None

    @classmethod
    def parse(cls, cursor: Cursor | None) -> Self:
        """The position that ``as_cursor`` wrote. Raises: ValueError when it was not written by it."""
        if cursor is None:
            return cls()
        try:
            position = cls(**json.loads(cursor))
        except TypeError as error:
            raise ValueError("not a position in this listing") from error
        return cls(**{**asdict(position), "anchors": tuple(position.anchors)})

    def as_cursor(self) -> Cursor:
        """The position as text."""
        return Cursor(json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")))

    def query(self, page_size: int) -> Mapping[str, str]:
        """The parameters to ask with."""
        if self.cursor is not None:
            return {"limit": str(page_size), "cursor": self.cursor}
        # A page of one row would hold the anchor and nothing else
        limit = max(page_size, 2) if self.anchors else page_size
        return {"limit": str(limit), "offset": str(self.offset)}

    def advance(self, reading: Reading) -> Step:
        """Where to go after the answer to this position."""
        keys = reading.row_keys
        if self.offset and self.anchors and not set(self.anchors) & set(keys):
            return Step(following=self._step_back(len(keys)))
        if not keys:
            return Step(following=None, doubt="an empty page that names a next one" if reading.has_next else None)
        if reading.cursor is not None and reading.cursor == self.cursor:
            return Step(following=None, doubt="a page that names itself as the next one")
        return Step(following=self._following(reading))

    def _step_back(self, received: int) -> "OffsetPosition":
        # Pages overlap by a row, so that no anchor can lie between two of them
        stride = max(received, self.width, 2) - 1
        return replace(self, offset=max(0, self.offset - stride), is_step_back=True)

    def _following(self, reading: Reading) -> "OffsetPosition | None":
        keys, end = reading.row_keys, self.offset + len(reading.row_keys)
        if reading.cursor is not None:
            return OffsetPosition(offset=end, cursor=reading.cursor)
        has_more_rows = self.cursor is None and reading.total is not None and reading.total > end
        if not reading.has_next and not has_more_rows:
            return None
        if self.cursor is not None:
            return OffsetPosition(offset=end)
        if keys[-1] in self.anchors and (self.is_step_back or len(keys) == 1):
            return OffsetPosition(offset=self.offset + 1)
        return OffsetPosition(offset=end - 1, anchors=tuple(keys[-_ANCHORS:]), width=len(keys))


def cursor_in(link: str | None) -> str | None:
    """The ``cursor`` in the query of a link to the next page. Nothing else of a link is believed."""
    values = parse_qs(urlsplit(link or "").query).get("cursor", [])
    return values[0] if values else None
