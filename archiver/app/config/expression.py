"""When something is due: ``every 15m``, or a five-field cron expression such as ``17 3 * * mon-fri``.

Cron's weekdays are kept by name, because schedulers disagree on which day a number means: in crontab Sunday is 0 or 7,
elsewhere 0 is Monday.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias

from archiver.model.units import format_duration, parse_duration

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST_MONTH: Final = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_SHORTEST_INTERVAL: Final = timedelta(seconds=1)
_PART: Final = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?", re.ASCII)
_EXAMPLE: Final = 'write it like "every 15m" or "17 3 * * *"'


@dataclass(frozen=True, slots=True)
class Every:
    """Again and again, this long after the last time; at least a second."""

    interval: timedelta

    def __str__(self) -> str:
        return f"every {format_duration(self.interval)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """Whenever the clock on the wall agrees with all fields. Each is ``*`` or a list: ``0,15,30,45``, ``mon,tue``.

    As in crontab, a day fits when either ``day`` or ``weekday`` does where both are given.
    """

    minute: str
    hour: str
    day: str
    month: str
    weekday: str

    def __str__(self) -> str:
        return f"{self.minute} {self.hour} {self.day} {self.month} {self.weekday}"


Expression: TypeAlias = Every | Cron


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()

    def number(self, word: str) -> int:
        if word in self.names:
            return self.names.index(word) + self.lowest
        if not word.isdecimal() or not self.lowest <= int(word) <= self.highest:
            named = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
            raise ValueError(f"{word!r} is no {self.name}; it goes from {self.lowest} to {self.highest}{named}")
        return int(word)


_MONTH: Final = _Field("month", 1, 12, _MONTHS)
_WEEKDAY: Final = _Field("weekday", 0, 7, _WEEKDAYS)


def parse_expression(text: str) -> Expression:
    """Read ``every DURATION`` or five cron fields: numbers, names, ``*``, lists, ranges and steps; Sunday is 0 or 7.

    Raises: ValueError when it is neither, or would never come.
    """
    words = text.lower().split()
    if words[:1] == ["every"]:
        interval = parse_duration("".join(words[1:]))
        if interval < _SHORTEST_INTERVAL:
            raise ValueError(f'{text!r} is too often; "every 1s" is the least')
        return Every(interval)
    if len(words) != 5:
        raise ValueError(f"{text!r} is no schedule; {_EXAMPLE}")
    days, months = _numbers(words[2], _Field("day of the month", 1, 31)), _numbers(words[3], _MONTH)
    if words[4] == "*" and all(min(days) > _LONGEST_MONTH.get(month, 31) for month in months):
        raise ValueError(f"{text!r} never comes: no such day in the months given")
    weekdays = sorted({number % 7 for number in _numbers(words[4], _WEEKDAY)})
    return Cron(
        minute=_listed(words[0], _numbers(words[0], _Field("minute", 0, 59))),
        hour=_listed(words[1], _numbers(words[1], _Field("hour", 0, 23))),
        day=_listed(words[2], days),
        month=_listed(words[3], months),
        weekday="*" if words[4] == "*" else ",".join(_WEEKDAYS[number] for number in weekdays),
    )


def _listed(word: str, numbers: list[int]) -> str:
    return "*" if word == "*" else ",".join(map(str, numbers))


def _numbers(word: str, field: _Field) -> list[int]:
    return sorted({number for part in word.split(",") for number in _part(part, field)})


def _part(part: str, field: _Field) -> range:
    match = _PART.fullmatch(part)
    if not match or match["step"] == "0":
        raise ValueError(f"{part!r} is no {field.name}; {_EXAMPLE}")
    first = field.number(match["first"]) if match["first"] else field.lowest
    last = field.highest
    if match["last"]:
        last = field.number(match["last"])
    elif match["first"] and not match["step"]:
        last = first
    if field is _WEEKDAY and match["last"] and last == 0:
        last = 7  # "fri-sun": a range may end with the Sunday after it
    if last < first:
        raise ValueError(f"the {field.name} {part!r} ends before it begins")
    return range(first, last + 1, int(match["step"] or 1))
