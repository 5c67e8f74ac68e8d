"""What a Kazoo listing may be asked: a window of Gregorian seconds, an order, and where to go on.

Source: 2600hz/kazoo, crossbar_view and cb_recordings, read 2026-11.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from archiver.sandbox.kazoo_envelope import Reply, faulty_request, invalid, too_large
from archiver.sandbox.kazoo_months import Key

LONGEST_S: Final = 2_682_000
"""No window may be longer: 31 days and an hour."""

_DEFAULT_SIZE = 50


class Refused(Exception):
    """A question that is answered with ``reply``."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.message)
        self.reply = reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question to a listing. Both ends of the window are included; ``size`` None means everything at once.

    ``start`` is the first row of the page, None for that of the window.
    """

    created_from: int
    created_to: int
    size: int | None
    oldest_first: bool
    start: Key | None

    @classmethod
    def parse(cls, asked: Mapping[str, str], now: int, most_rows: int) -> "Query":
        """Read a request's query; ``now`` is in Gregorian seconds. Raises: Refused."""
        created_to = _number(asked, "created_to", now)
        created_from = _number(asked, "created_from", created_to - LONGEST_S)
        if created_to < created_from:
            raise Refused(_out_of_range("created_from is prior to created_to", created_from))
        if created_to - created_from > LONGEST_S:
            raise Refused(_out_of_range(f"more than {LONGEST_S} seconds", created_to - created_from))
        return cls(
            created_from=created_from,
            created_to=created_to,
            size=_read_size(asked, most_rows),
            oldest_first=asked.get("ascending") == "true" or asked.get("descending") == "false",
            start=_read_key(asked["start_key"]) if "start_key" in asked else None,
        )

    def cut(self, keys: list[Key]) -> tuple[list[Key], Key | None]:
        """The page of these rows, and the key of the next page where there is one."""
        ordered = sorted(keys, reverse=not self.oldest_first)
        if self.start is not None:
            ordered = [key for key in ordered if key == self.start or (key > self.start) == self.oldest_first]
        size = len(ordered) if self.size is None else self.size
        return ordered[:size], ordered[size] if len(ordered) > size else None


def write_key(key: Key) -> str:
    """A key as ``start_key`` and ``next_start_key`` show it."""
    return urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _read_key(text: str) -> Key:
    try:
        database, created, recording_id = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return Key(str(database), int(created), str(recording_id))
    except (ValueError, TypeError):
        raise Refused(invalid("start_key", "format", "start_key is malformed", text)) from None


def _out_of_range(message: str, cause: int) -> Reply:
    return invalid("created_from", "date_range", message, cause)


def _number(asked: Mapping[str, str], name: str, default: int) -> int:
    """What is no integer is silently taken for nothing."""
    try:
        return int(asked.get(name, default))
    except ValueError:
        return default


def _read_size(asked: Mapping[str, str], most_rows: int) -> int | None:
    if asked.get("paginate") == "false":
        return None
    size = _number(asked, "page_size", 0) if "page_size" in asked else _DEFAULT_SIZE
    if size <= 0:
        raise Refused(faulty_request())
    if size > most_rows:
        raise Refused(too_large())
    return size
