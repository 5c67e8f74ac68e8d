"""What VBC writes down about a recording and about a page of them, with the traps that its pages and samples show.

Source: vonage VBC call recording API, specification 1.0.1 and developer pages, read 2026-11.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, Self

from archiver.sandbox.audio import measure
from archiver.sandbox.population import Recording
from archiver.sandbox.wire import Wire

COMPANY: Final = "company"
WIRE: Final = Wire(
    rows=("_embedded", "recordings"),
    name="id",
    durations=("duration",),
    moments=("start", "end"),
    sizes=("file_size_in_bytes",),
    names=("file_name", "cnam"),
    total=("total_items",),
    following=("_links", "next"),
    positions=("page",),
    is_numbered_by_listing=True,
)

_DIRECTIONS = ("INBOUND",) * 5 + ("OUTBOUND",) * 4 + ("INTRA_PBX",)
_NAMES = ("JOHN SMITH", "ZOË ŁĘCKA", "O'BRIEN, PAT", "", "ANONYMOUS")
_RULES = (449, 1989, 2012)
_TIME = "%Y-%m-%dT%H:%M:%S%z"
_TIME_PATTERN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How VBC happens to write this one recording; drawn from its id, so always the same way.

    ``*_as_text`` say which numbers are written as strings; ``version`` is in the path of some download addresses.
    """

    direction: str
    cnam: str
    extensions: tuple[int | str, ...]
    rule_ids: tuple[int, ...]
    duration_as_text: bool
    caller_as_number: bool
    version: str
    is_redirected: bool

    @classmethod
    def of(cls, recording: Recording) -> Self:
        """Draw the quirks of this recording."""
        random = Random(f"vbc/{recording.recording_id}")
        extensions = [random.randrange(100, 1000) for _ in range(random.randint(0, 2))]
        return cls(
            direction=random.choice(_DIRECTIONS),
            cnam=random.choice(_NAMES),
            extensions=tuple(random.choice((extension, str(extension))) for extension in extensions),
            rule_ids=tuple(random.sample(_RULES, random.randint(1, 2))),
            duration_as_text=random.random() < 0.2,
            caller_as_number=random.random() < 0.3,
            version=random.choice(("", "", "/v1")),
            is_redirected=random.random() < 1 / 3,
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where an account's recordings are said to lie: the base URL and the account's real id."""

    base_url: str
    account_id: str

    def listing_url(self, listing: str) -> str:
        """The address of a listing by its contract's name: ``company``, or ``user:`` and the user's real id."""
        path = "company_call_recordings" if listing == COMPANY else f"users/{listing.partition(':')[2]}/call_recordings"
        return f"{self.base_url}/api/accounts/{self.account_id}/{path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One page of a listing: numbers from ``base`` on, ``size`` rows each, out of ``total``."""

    listing: str
    base: int
    number: int
    size: int
    total: int

    @property
    def count(self) -> int:
        """How many pages there are."""
        return -(-self.total // self.size)

    @property
    def last(self) -> int:
        """The number of the last page; of the first one where there is none."""
        return self.base + max(0, self.count - 1)


def recording_document(recording: Recording, place: Place, audio_number: int) -> dict[str, Any]:
    """One recording as an element of a page; ``audio_number`` is what its download address calls it."""
    quirks, clip = Quirks.of(recording), recording.clip
    listing, _, number = recording.recording_id.rpartition(":")
    start = recording.added_at.replace(microsecond=0)
    document = {
        "_links": {"self": {"href": f"{place.listing_url(listing)}/{number}"}},
        "call_direction": quirks.direction,
        "call_id": recording.call_id,
        "caller_id": int(recording.from_number) if quirks.caller_as_number else recording.from_number,
        "cnam": quirks.cnam,
        "dnis": recording.to_number,
        "download_url": f"{place.base_url}{quirks.version}/api/audio/recording/{audio_number}",
        "duration": str(clip.duration_ms) if quirks.duration_as_text else clip.duration_ms,
        "end": write_time(start + timedelta(milliseconds=clip.duration_ms)),
        "extensions": list(quirks.extensions),
        "file_name": f"{place.account_id}.{number}.{recording.call_id}.mp3",
        "file_size_in_bytes": measure(clip),
        "id": int(number),
        "start": write_time(start),
    }
    return {**document, "rule_ids": list(quirks.rule_ids)} if listing == COMPANY else document


def page_document(leaf: Leaf, place: Place, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A page with its links, which say nothing of filters or sizes; without rows there is no ``_embedded``."""

    def link(number: int) -> dict[str, str]:
        return {"href": f"{place.listing_url(leaf.listing)}?page={number}"}

    links = {"first": link(leaf.base), "self": link(leaf.number), "last": link(leaf.last)}
    if leaf.number > leaf.base:
        links["prev"] = link(leaf.number - 1)
    if leaf.number < leaf.last:
        links["next"] = link(leaf.number + 1)
    envelope = {"page": leaf.number, "page_size": leaf.size, "total_items": leaf.total, "total_pages": leaf.count}
    return {**({"_embedded": {"recordings": list(rows)}} if rows else {}), "_links": links, **envelope}


def write_time(moment: datetime) -> str:
    """Whole seconds, and an offset without a colon."""
    return moment.strftime(_TIME)


def read_time(text: str) -> datetime:
    """A time as ``write_time`` writes it, and in no other form: a plus that became a space is none.

    Raises: ValueError.
    """
    if not _TIME_PATTERN.fullmatch(text):
        raise ValueError(f"{text!r} is not of the form yyyy-MM-ddTHH:mm:ssZ")
    return datetime.fromisoformat(text)
