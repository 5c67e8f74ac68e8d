"""Paging as pure arithmetic: where a walk stands, what to ask for next, and when the listing has ended.

**Offsets.** Over a set that changes a row that appears before our position moves the others down, and they come twice;
a row that vanishes there moves them up, and one is skipped. So every request re-reads the last row of the page before,
as an anchor. When none of that page's last rows is in the answer the rows have moved: we step back, page by page, until
one is found or the beginning is reached, and read on from there (D1). The price is one row a page.

A server that rounds offsets down to whole pages never shows an anchor and new rows together. It is told by an anchor
that is the last row again after a step back; then one page is read without an anchor, and a row deleted in that very
moment is left to the comparison of ids and total at the end of the walk.

**Page numbers.** Pages of one size cannot overlap, but page 1 of size 49 begins with the last row of page 0 of size 50.
So each request takes the size, of those allowed, whose page holds the anchor and the most rows behind it; from there
on everything is as with offsets. The price in a listing of many pages is about one more request for every five at a
size of 50, and one for every eight at 100. Where sizes are ignored, or too small for any to fit, pages follow each
other without an anchor. Then a total that changed means that one has to be found, by stepping back: rows that come in
at the head can only hide a delete that does not matter. What comes in elsewhere may, until the next walk.
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

    following: "OffsetPosition | PageNumberPosition | None"
    doubt: str | None = None

    @property
    def has_gap(self) -> bool:
        """Whether rows may stand between this page and the one before: the following one steps back for them."""
        match self.following:
            case OffsetPosition(is_step_back=True) | PageNumberPosition(is_lost=True):
                return True
        return False


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


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedReading:
    """What a numbered page said; None stands for what it did not say.

    ``row_keys`` tell all its rows from each other, the malformed ones included. ``number`` and ``size`` are the
    page's own, ``page_count`` and ``total`` count the pages and rows of the listing.
    """

    row_keys: Sequence[str]
    number: int | None = None
    size: int | None = None
    page_count: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageNumberPosition:
    """The next request of a walk by page number. It can be kept as text and used later, in another process.

    ``size`` is the largest page. ``end`` rows are behind us; one of ``anchors``, the last of them, is expected in the
    answer where pages overlap. ``total`` is what the last page claimed, ``opening`` the first row of the listing.
    ``base`` is the number of the first page. ``is_lost`` says that an anchor was missed, ``is_fixed`` that the listing
    ignores the size asked for.
    """

    size: int
    end: int = 0
    anchors: tuple[str, ...] = ()
    total: int | None = None
    opening: str | None = None
    base: int = 1
    is_lost: bool = False
    is_fixed: bool = False

    @classmethod
    def parse(cls, cursor: Cursor | None, page_size: int) -> Self:
        """The position that ``as_cursor`` wrote. Raises: ValueError when it was not written by it."""
        if cursor is None:
            return cls(size=page_size)
        try:
            position = cls(**json.loads(cursor))
        except TypeError as error:
            raise ValueError("not a position in this listing") from error
        return replace(position, anchors=tuple(position.anchors))

    def as_cursor(self) -> Cursor:
        """The position as text."""
        return Cursor(json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")))

    def query(self) -> Mapping[str, str]:
        """The parameters to ask with. The first page is asked for without a number: its answer tells it."""
        size, index = self._page()
        return {"page_size": str(size)} | ({"page": str(self.base + index)} if index else {})

    def advance(self, reading: NumberedReading) -> Step:
        """Where to go after the answer to this position."""
        keys = reading.row_keys
        size, index = self._page()
        if index == 0:
            return self._begin(reading)
        is_unchanged = reading.total == self.total
        if self.base == 0 and is_unchanged and keys and keys[0] == self.opening:
            # 0 and 1 are both names of the first page
            return Step(following=replace(self, base=1))
        if not self.is_fixed and _ignores(reading, index, size):
            largest = max(self.size, len(keys))
            own_size = largest if reading.size in (None, size) else min(reading.size or largest, largest)
            return Step(following=replace(self, size=own_size, is_fixed=True))
        start = index * size
        must_show = start < self.end or not is_unchanged
        if must_show and not set(self.anchors) & set(keys):
            return Step(following=replace(self, end=start, is_lost=True))
        return self._go_on(reading, index, size)

    def _go_on(self, reading: NumberedReading, index: int, size: int) -> Step:
        """Behind a page that joins the one before."""
        keys, end = reading.row_keys, index * size + len(reading.row_keys)
        if not _has_more(reading, index, end, size):
            return Step(following=None)
        if end <= self.end and not self.is_lost:
            return Step(following=None, doubt="a page that shows nothing new and claims that there is more")
        anchors = tuple(keys[-_ANCHORS:])
        return Step(following=replace(self, end=end, anchors=anchors, total=reading.total, is_lost=False))

    def _page(self) -> tuple[int, int]:
        """The size of the page to ask for, and how many pages of this size come before it."""
        if self.end == 0:
            return self.size, 0
        last = self.end - 1
        if not self.is_fixed:
            gains = {size: (last // size + 1) * size - self.end for size in range(self.size, self.size // 2, -1)}
            best = max(gains, key=gains.__getitem__)
            if gains[best]:
                return best, last // best
        return self.size, (last if self.is_lost else self.end) // self.size

    def _begin(self, reading: NumberedReading) -> Step:
        """Behind the first page. Has it fewer rows than asked for and is not all, it is as large as pages can be."""
        keys = reading.row_keys
        if not _has_more(reading, 0, len(keys), self.size):
            return Step(following=None)
        if not keys:
            return Step(following=None, doubt="an empty first page that claims that there is more")
        following = PageNumberPosition(
            size=len(keys),
            end=len(keys),
            anchors=tuple(keys[-_ANCHORS:]),
            total=reading.total,
            opening=keys[0],
            base=1 if reading.number is None else reading.number,
            is_fixed=self.is_fixed or len(keys) > self.size,
        )
        return Step(following=following)


def _ignores(reading: NumberedReading, index: int, size: int) -> bool:
    """Whether a page shows that it has another size than was asked for: in what it says, or in what it holds."""
    if reading.size not in (None, size):
        return True
    if reading.total is None:
        return len(reading.row_keys) > size
    return len(reading.row_keys) != min(max(reading.total - index * size, 0), size)


def _has_more(reading: NumberedReading, index: int, end: int, size: int) -> bool:
    """Whether the listing claims more behind a page that ends with row ``end``."""
    if reading.total is None and reading.page_count is None:
        return len(reading.row_keys) >= size
    return (reading.total or 0) > end or (reading.page_count or 0) > index + 1


def cursor_in(link: str | None) -> str | None:
    """The ``cursor`` in the query of a link to the next page. Nothing else of a link is believed."""
    values = parse_qs(urlsplit(link or "").query).get("cursor", [])
    return values[0] if values else None
