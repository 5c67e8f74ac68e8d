"""Kazoo's time and where it keeps what: Gregorian seconds, one database a month, and what goes wrong between months.

A recording that began in one month and was saved in the next is caught by one of two defects. Branch 4.3 keeps it in
the database of the first month under a time of the second, so a window that begins in the second never shows it.
Master keeps it in the database of the second month under an id of the first, so it is listed and cannot be fetched.
Source: 2600hz/kazoo, master and branch 4.3, kazoo_modb and cb_recordings, read 2026-11.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from archiver.sandbox.population import Habits, Plan, Population, Stamp

SPAN: Final = timedelta(days=75)
"""Long enough to hold two changes of month, and more than one listing may ask for at once."""

_YEAR_0_TO_1970_S = 62_167_219_200
_LATEST_UNIX = 253_402_300_799
_STEP = timedelta(seconds=5)
_MARGIN = timedelta(seconds=10)


class Key(NamedTuple):
    """Where a row lies in a listing: its database, when it was saved in Gregorian seconds, and its id."""

    database: str
    created: int
    recording_id: str


@dataclass(frozen=True, slots=True)
class Straddler:
    """A recording across the change of month at ``turn``. ``is_hidden`` is the defect of 4.3, else it is master's."""

    turn: datetime
    is_hidden: bool

    @property
    def latest_start(self) -> datetime:
        """It began no later than this."""
        return self.turn - _MARGIN

    @property
    def database(self) -> str:
        """The month whose database keeps it."""
        return _month(self.latest_start if self.is_hidden else self.turn)


class Months:
    """The recordings of one account in the databases of their months; ``straddlers`` at each change of month."""

    def __init__(self, provider: str, plan: Plan, straddlers: int) -> None:
        self._straddlers: dict[str, Straddler] = {}
        placed = dict(_straddlers(plan, straddlers))

        def name(number: int, added_at: datetime, drawn: UUID) -> str:
            straddler = placed[number][1] if number in placed else None
            recording_id = f"{_month(straddler.latest_start if straddler else added_at)}-{drawn.hex}"
            if straddler:
                self._straddlers[recording_id] = straddler
            return recording_id

        moments = {number: moment for number, (moment, _) in placed.items()}
        self.population = Population(provider, plan, Habits(span=SPAN, name=name, moments=moments))

    @property
    def straddlers(self) -> Mapping[str, Straddler]:
        """Those that lie across a change of month, by id."""
        return self._straddlers

    def is_retrievable(self, recording_id: str) -> bool:
        """Whether the id leads to the database that keeps the recording."""
        straddler = self._straddlers.get(recording_id)
        return straddler is None or recording_id.startswith(straddler.database)

    def keys(self, created_from: int, created_to: int) -> list[Key]:
        """The rows of a window, both ends included, out of the databases of the months that it touches; unordered."""
        stamps = self.population.between(_moment(created_from), _moment(created_to + 1) - timedelta(microseconds=1))
        return [self._key(stamp) for stamp in stamps if self._is_opened(stamp.recording_id, created_from)]

    def _is_opened(self, recording_id: str, created_from: int) -> bool:
        """A hidden row was saved after the end of its database's month, so only an earlier beginning opens it."""
        straddler = self._straddlers.get(recording_id)
        return straddler is None or not straddler.is_hidden or created_from < gregorian(straddler.turn)

    def _key(self, stamp: Stamp) -> Key:
        straddler = self._straddlers.get(stamp.recording_id)
        database = straddler.database if straddler else _month(stamp.added_at)
        return Key(database, gregorian(stamp.added_at), stamp.recording_id)


def gregorian(moment: datetime) -> int:
    """Whole seconds since the year 0, UTC."""
    return int(moment.timestamp()) + _YEAR_0_TO_1970_S


def _moment(seconds: int) -> datetime:
    """The other way round, within the years that have recordings."""
    return datetime.fromtimestamp(min(max(seconds - _YEAR_0_TO_1970_S, 0), _LATEST_UNIX), UTC)


def _month(moment: datetime) -> str:
    return f"{moment:%Y%m}"


def _straddlers(plan: Plan, count: int) -> Iterator[tuple[int, tuple[datetime, Straddler]]]:
    """The first recordings of each month by number, saved a few seconds after it began, in their old order."""
    for turn in _turns(plan.anchor):
        first = bisect_left(range(plan.count), turn, key=lambda number: plan.time_of(number, SPAN))
        for place, number in enumerate(range(first, min(first + count, plan.count))):
            saved_at = min(turn + _STEP * (place + 1), plan.time_of(number, SPAN))
            yield number, (saved_at, Straddler(turn, is_hidden=place % 2 == 0))


def _turns(anchor: datetime) -> Iterator[datetime]:
    """The changes of month in the span before the anchor, newest first."""
    turn = anchor.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while turn > anchor - SPAN:
        yield turn
        turn = (turn - timedelta(days=1)).replace(day=1)
