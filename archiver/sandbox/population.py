"""Which recordings a provider has: drawn from a seed, oldest first, some of them arriving while somebody lists them.

A recording is a number; everything about it is drawn again from the seed whenever it is asked for. What is kept is an
id and two numbers a recording, so large populations stay small and the same seed and anchor give the same recordings.
"""

import uuid
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from random import Random
from typing import NamedTuple, Protocol

from archiver.sandbox.audio import Clip, Encoding

SPAN = timedelta(days=30)

_LAST_LATE_REQUEST = 4
_SHORTEST, _LONGEST = 2.0, 60.0
_USUAL_SECONDS = (3.0, 20.0)
_ENCODINGS = (Encoding.MP3,) * 15 + (Encoding.PCM,) * 9 + (Encoding.MULAW,)
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a population is drawn. ``audio_seconds`` bounds every length; None means 2 to 60 s and mostly 3 to 20 s.

    ``late_arrivals`` of the recordings are withheld at first and appear while the listing is being read.
    """

    seed: int
    count: int
    anchor: datetime
    audio_seconds: tuple[float, float] | None = None
    late_arrivals: int = 0

    def time_of(self, number: int, span: timedelta) -> datetime:
        """When a recording was added: one slot of the span each, so that numbers are in the order of time."""
        slot = span / self.count
        jitter = (self.seed + number) * _GOLDEN % 1
        return (self.anchor - slot * (self.count - number - jitter)).astimezone(UTC)


def plain_name(_number: int, _added_at: datetime, drawn: uuid.UUID) -> str:
    """An id that tells nothing: the drawn one."""
    return str(drawn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What sets a provider's recordings apart from the plain ones.

    They lie in the ``span`` before the anchor. ``name`` makes the id out of the number, the time of adding and a drawn
    UUID. ``moments`` are times of single numbers, which must keep the order. Late arrivals are the newest recordings,
    or with ``late_anywhere`` any: then a row appears in the middle, with an old time.
    """

    span: timedelta = SPAN
    encodings: tuple[Encoding, ...] = _ENCODINGS
    name: Callable[[int, datetime, uuid.UUID], str] = plain_name
    moments: Mapping[int, datetime] = field(default_factory=dict)
    late_anywhere: bool = False


_PLAIN = Habits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What is true of a recording, before any provider writes it down in its own way. ``added_at`` is aware UTC."""

    recording_id: str
    call_id: str
    added_at: datetime
    clip: Clip
    from_number: str
    to_number: str


class Stamp(NamedTuple):
    """Which recording, and when it was added."""

    recording_id: str
    added_at: datetime


class Stock(Protocol):
    """The recordings of one account, in one population or in several."""

    def ids(self) -> list[str]:
        """The ids of all recordings that exist."""
        ...

    def find(self, recording_id: str) -> Recording | None:
        """The existing recording of this id, or None."""
        ...

    def was(self, recording_id: str) -> Recording:
        """The recording of this id, deleted or not. Raises: KeyError when there never was one."""
        ...

    def add(self, count: int, now: datetime) -> list[str]:
        """Make recordings appear. Returns their ids, oldest first."""
        ...

    def delete(self, recording_id: str) -> bool:
        """Make a recording vanish; False when there is none of this id."""
        ...

    def empty(self, *, is_empty: bool) -> None:
        """Hide everything that exists, or bring it back."""
        ...

    def part(self, listing: str) -> "Population":
        """The recordings of one listing."""
        ...


class Population:
    """The recordings of one listing. Those that are ``listed`` exist: neither withheld nor deleted."""

    def __init__(self, provider: str, plan: Plan, habits: Habits = _PLAIN) -> None:
        self._plan = plan
        self._habits = habits
        self._secret = f"{provider}/{plan.seed}".encode()
        self._added_at = dict(habits.moments)
        self._ids = [self._name(number) for number in range(plan.count)]
        self._number_of = {recording_id: number for number, recording_id in enumerate(self._ids)}
        withheld = self._draw_withheld()
        self._listed = [number for number in range(plan.count) if number not in withheld]
        self._arrivals = self._draw_arrivals(withheld)
        self._held: list[int] = []
        self._is_empty = False
        self._listings = 0
        self._read = lru_cache(maxsize=1000)(self._draw)

    def __len__(self) -> int:
        return len(self._listed)

    def ids(self) -> list[str]:
        """The ids of all listed recordings, newest first."""
        return [self._ids[number] for number in reversed(self._listed)]

    def newest(self, offset: int, limit: int) -> list[Recording]:
        """The listed recordings from ``offset`` on, newest first; at most ``limit``."""
        end = max(0, len(self._listed) - offset)
        return [self._read(number) for number in reversed(self._listed[max(0, end - limit) : end])]

    def all_newest_first(self) -> Iterator[Recording]:
        """Every listed recording; drawn one by one, so a filter over many costs time but no memory."""
        return (self._draw(number) for number in reversed(self._listed))

    def between(self, first: datetime | None, last: datetime | None) -> list[Stamp]:
        """The listed recordings added from ``first`` to ``last``, both included and None for no bound, newest first."""
        low = 0 if first is None else bisect_left(self._listed, first, key=self._time_of)
        high = len(self._listed) if last is None else bisect_right(self._listed, last, key=self._time_of)
        return [Stamp(self._ids[number], self._time_of(number)) for number in reversed(self._listed[low:high])]

    def find(self, recording_id: str) -> Recording | None:
        """The listed recording of this id, or None."""
        number = self._number_of.get(recording_id)
        return None if number is None or not self._is_listed(number) else self._read(number)

    def was(self, recording_id: str) -> Recording:
        """The recording of this id, deleted or not. Raises: KeyError when there never was one."""
        return self._read(self._number_of[recording_id])

    def note_listing(self) -> None:
        """A page was handed out; what was due to arrive after it is listed from now on."""
        self._listings += 1
        for number in self._arrivals.pop(self._listings, ()):
            self._put(number)

    def add(self, count: int, now: datetime) -> list[str]:
        """Make ``count`` recordings appear at the head, a millisecond apart. Returns their ids, oldest first."""
        first = len(self._ids)
        start = max(now, self._time_of(first - 1)) if first else now
        for number in range(first, first + count):
            self._added_at[number] = start + timedelta(milliseconds=number - first + 1)
            self._ids.append(self._name(number))
            self._number_of[self._ids[number]] = number
            self._put(number)
        return self._ids[first:]

    def delete(self, recording_id: str) -> bool:
        """Make a listed recording vanish; False when there is none of this id."""
        number = self._number_of.get(recording_id)
        if number is None or not self._is_listed(number):
            return False
        del self._listed[bisect_left(self._listed, number)]
        return True

    def empty(self, *, is_empty: bool) -> None:
        """Hide everything that is listed, or bring it back."""
        self._is_empty = is_empty
        if is_empty:
            self.hold_back(self.ids())
        else:
            self.bring_back()

    def hold_back(self, recording_ids: Iterable[str]) -> None:
        """Take listed recordings out of the listing as if they had not arrived yet."""
        numbers = {self._number_of[recording_id] for recording_id in recording_ids}
        self._held += sorted(numbers)
        self._listed = [number for number in self._listed if number not in numbers]

    def bring_back(self) -> None:
        """List them in their old places."""
        self._listed = sorted([*self._listed, *self._held])
        self._held = []

    def part(self, _listing: str) -> "Population":
        """All of it: where there are several listings, each shows the same recordings."""
        return self

    def _put(self, number: int) -> None:
        """Into its place in the listing, or behind it while that is empty."""
        insort(self._held if self._is_empty else self._listed, number)

    def _is_listed(self, number: int) -> bool:
        place = bisect_left(self._listed, number)
        return place < len(self._listed) and self._listed[place] == number

    def _draw_withheld(self) -> Sequence[int]:
        count, late = self._plan.count, min(self._plan.late_arrivals, self._plan.count)
        if not self._habits.late_anywhere:
            return range(count - late, count)
        return sorted(Random(self._secret + b"/withheld").sample(range(count), late))

    def _draw_arrivals(self, withheld: Sequence[int]) -> dict[int, list[int]]:
        """Which numbers appear after which list request, counted from one."""
        random = Random(self._secret + b"/arrivals")
        arrivals: dict[int, list[int]] = {}
        for number in withheld:
            arrivals.setdefault(random.randint(1, _LAST_LATE_REQUEST), []).append(number)
        return arrivals

    def _name(self, number: int) -> str:
        return self._habits.name(number, self._time_of(number), self._uuid("recording", number))

    def _uuid(self, kind: str, number: int) -> uuid.UUID:
        digest = blake2b(f"{kind}/{number}".encode(), key=self._secret, digest_size=16).digest()
        return uuid.UUID(bytes=digest, version=4)

    def _time_of(self, number: int) -> datetime:
        moment = self._added_at.get(number)
        return self._plan.time_of(number, self._habits.span) if moment is None else moment

    def _draw(self, number: int) -> Recording:
        recording_id = self._ids[number]
        random = Random(recording_id)
        encoding = random.choice(self._habits.encodings)
        steps = max(1, round(self._draw_seconds(random) * 1000 / encoding.step_ms))
        return Recording(
            recording_id=recording_id,
            # every fifth recording belongs to the same call as the one before it
            call_id=str(self._uuid("call", number - 1 if number % 5 == 4 else number)),
            added_at=self._time_of(number),
            clip=Clip(recording_id, steps * encoding.step_ms, encoding),
            from_number=_draw_number(random),
            to_number=_draw_number(random),
        )

    def _draw_seconds(self, random: Random) -> float:
        if self._plan.audio_seconds is not None:
            return random.uniform(*self._plan.audio_seconds)
        is_usual = random.random() < 0.9
        return random.uniform(*_USUAL_SECONDS) if is_usual else random.uniform(_SHORTEST, _LONGEST)


def _draw_number(random: Random) -> str:
    """A made-up number in digits only: country code 91, then a mobile or a landline number of Bengaluru."""
    return f"91{random.choice(('80', '98', '96', '70'))}{random.randrange(10**8):08d}"
