"""What a VBC listing may be asked: order, page and filters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

from archiver.sandbox.vbc_documents import read_time

T = TypeVar("T")

_DEFAULT_SIZE = 10
_JUST_UNDER_A_SECOND = timedelta(microseconds=999_999)
_ORDERS: Mapping[str, bool] = {"start:DESC": False, "start:ASC": True}
_FILTERS: Mapping[str, Callable[[dict[str, Any], str], bool]] = {
    "call_direction": lambda document, wanted: document["call_direction"] == wanted,
    "call_id": lambda document, wanted: document["call_id"] == wanted,
    "caller_id": lambda document, wanted: str(document["caller_id"]) == wanted,
    "cnam": lambda document, wanted: document["cnam"] == wanted,
    "dnis": lambda document, wanted: document["dnis"] == wanted,
    "duration:gte": lambda document, wanted: int(document["duration"]) >= int(wanted),
    "duration:lte": lambda document, wanted: int(document["duration"]) <= int(wanted),
    "extension": lambda document, wanted: wanted in map(str, document["extensions"]),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question to a listing. Recordings from ``first`` to ``last`` are meant, both included.

    ``page`` is as asked, None where it was left out.
    """

    page: int | None
    size: int
    oldest_first: bool
    first: datetime | None
    last: datetime | None
    filters: Mapping[str, str]

    @classmethod
    def parse(cls, asked: Mapping[str, str], size_cap: int) -> Self:
        """Read a request's query; sizes above the cap are clamped. Raises: ValueError that names the parameter."""
        last = _read(asked, "start:lte", read_time)
        size = _read(asked, "page_size", _whole)
        if size == 0:
            raise ValueError("page_size: 0 is no size")
        order = asked.get("order", "start:DESC")
        if order not in _ORDERS:
            raise ValueError(f"order: {order!r} is none of {', '.join(_ORDERS)}")
        for name in ("duration:gte", "duration:lte"):
            _read(asked, name, _whole)
        return cls(
            page=_read(asked, "page", _whole),
            size=min(size or _DEFAULT_SIZE, size_cap),
            oldest_first=_ORDERS[order],
            first=_read(asked, "start:gte", read_time),
            last=last and last + _JUST_UNDER_A_SECOND,
            filters={name: value for name, value in asked.items() if name in _FILTERS},
        )

    def passes(self, document: dict[str, Any]) -> bool:
        """Whether a recording's document has everything that was filtered by."""
        return all(_FILTERS[name](document, wanted) for name, wanted in self.filters.items())


def _read(asked: Mapping[str, str], name: str, read: Callable[[str], T]) -> T | None:
    if name not in asked:
        return None
    try:
        return read(asked[name])
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is no whole number")
    return int(text)
