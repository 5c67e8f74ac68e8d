"""Facts out of a provider's JSON. What is optional and unusable is None; what must be there raises Unusable.

A row without the facts that it needs is put into quarantine; an answer without a listing or a recording is an error.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from archiver.model.account import Account
from archiver.model.errors import ListingError
from archiver.model.recording import Listed, ListingName, Malformed, RecordingId
from archiver.net.answers import find_request_id
from archiver.net.redaction import redact

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""No call lies outside; a moment that does is a unit or a placeholder misread."""

_LONGEST_CALL: Final = timedelta(days=31)
_MAX_ID_LENGTH: Final = 200
_MAX_NUMBER_LENGTH: Final = 40
_MAX_MALFORMED_TEXT: Final = 10_000


class Unusable(ValueError):
    """A row that is no recording we understand; the text says why, without repeating what the row holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """A page's rows, sound and malformed. ``keys`` tell all of them from each other, in the page's order."""

    rows: tuple[Listed, ...]
    malformed: tuple[Malformed, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """How a provider's unusable rows are kept: redacted, and cut to 10,000 characters.

    ``volatile`` names the members that change while the row stays the same: they are kept, and left out of its
    fingerprint. ``secrets`` are JSON pointers to what is secret beside what looks like it.
    """

    volatile: frozenset[str] = frozenset()
    secrets: tuple[str, ...] = ()

    def keep(self, raw: object, listing: ListingName, reason: str) -> Malformed:
        """The row as it is kept, with the reason why it is no recording."""
        lasting = (
            {name: each for name, each in raw.items() if name not in self.volatile} if isinstance(raw, dict) else raw
        )
        kept = json.dumps(redact(raw, self.secrets)[0], ensure_ascii=False)[:_MAX_MALFORMED_TEXT]
        return Malformed(listing=listing, reason=reason, document=kept, fingerprint=fingerprint(lasting))

    def sift(self, raws: Sequence[object], listing: ListingName, parse: Callable[[object], Listed]) -> Sifted:
        """A page's rows told apart: what ``parse`` can read, and what it calls Unusable, kept as above."""
        rows: list[Listed] = []
        malformed: list[Malformed] = []
        keys: list[str] = []
        for raw in raws:
            try:
                rows.append(parse(raw))
                keys.append(rows[-1].recording_id)
            except Unusable as error:
                malformed.append(self.keep(raw, listing, str(error)))
                keys.append(malformed[-1].fingerprint.hex())
        return Sifted(rows=tuple(rows), malformed=tuple(malformed), keys=tuple(keys))


def listing_error(account: Account, reason: str, answer: object) -> ListingError:
    """The error for an answer that cannot be believed."""
    request_id = find_request_id({}, answer)
    return ListingError(f"account {account.name}: {reason}", account=account.name, request_id=request_id)


def member(value: object, name: str) -> object:
    """A member of an object; None where there is none, or no object."""
    return value.get(name) if isinstance(value, dict) else None


def required_id(value: object) -> RecordingId:
    """An id that is safe in a path and in a log: 1 to 200 printable characters without ``/``, ``\\`` or ``..``.

    Raises: Unusable.
    """
    if not isinstance(value, str) or not value:
        raise Unusable("recording_id is missing or no text")
    if len(value) > _MAX_ID_LENGTH:
        raise Unusable(f"recording_id has more than {_MAX_ID_LENGTH} characters")
    if not value.isprintable() or value != value.strip():
        raise Unusable("recording_id has control characters or blanks at its ends")
    if "/" in value or "\\" in value or ".." in value or value == ".":
        raise Unusable("recording_id would be a path")
    return RecordingId(value)


def text(value: object) -> str | None:
    """A text that says something."""
    return value.strip() or None if isinstance(value, str) else None


def count(value: object) -> int | None:
    """A number of things, not below zero; also one written as text."""
    found = number(value)
    return int(found) if found is not None and found >= 0 and found == found.to_integral_value() else None


def number(value: object) -> Decimal | None:
    """A finite number, also one written as text; of 40 digits at most."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        written = str(value).strip()
        found = Decimal(written) if len(written) <= _MAX_NUMBER_LENGTH else None
    except (InvalidOperation, ValueError):
        return None
    return found if found is not None and found.is_finite() else None


def instant(value: object) -> datetime | None:
    """A moment in ISO 8601, with ``T`` or a blank, in UTC. Without an offset it is no moment (D5)."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return _plausible(moment.astimezone(UTC)) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def instant_of_milliseconds(value: object) -> datetime | None:
    """A moment in milliseconds since 1970, as a number or as text with decimals, in UTC."""
    span = _milliseconds(value, _LATEST - _EPOCH)
    return _plausible(_EPOCH + span) if span else None


def length_of_milliseconds(value: object) -> timedelta | None:
    """The length of a call in milliseconds, as a number or as text with decimals; at most a month."""
    return _milliseconds(value, _LONGEST_CALL)


def fingerprint(value: object) -> bytes:
    """A digest that is the same for equal JSON values, whatever the order of their members."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).digest()


def _milliseconds(value: object, longest: timedelta) -> timedelta | None:
    found = number(value)
    if found is None or not 0 <= found <= longest // timedelta(milliseconds=1):
        return None
    return timedelta(microseconds=int(found * 1000))


def _plausible(moment: datetime) -> datetime | None:
    return moment if _EARLIEST <= moment <= _LATEST else None
