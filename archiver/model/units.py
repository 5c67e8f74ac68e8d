"""Durations, sizes and rates as people write them: ``"15m"``, ``"8MiB"``, ``"10/min"``, and back."""

import math
import re
from dataclasses import dataclass
from datetime import timedelta

_SECONDS = {
    "ms": 0.001,
    "s": 1,
    "m": 60,
    "min": 60,
    "h": 3600,
    "d": 86_400,
    "w": 7 * 86_400,
    "y": 365 * 86_400,
}
_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12} | {
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so long a period."""

    count: float
    period: timedelta

    @property
    def interval(self) -> timedelta:
        """The even distance between two requests."""
        return self.period / self.count

    def __str__(self) -> str:
        return f"{self.count:g}/{format_duration(self.period).removeprefix('1')}"


def parse_duration(text: str) -> timedelta:
    """Read ``"250ms" "90s" "15m" "6h" "30d" "2w" "7y"`` (a year has 365 days) and sums such as ``"1h30m"``.

    Raises: ValueError when it is none of these.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text, re.ASCII)
    rest = re.sub(r"\d+(?:\.\d+)?\s*[a-z]+", "", text, flags=re.ASCII).strip()
    if text.strip() == "0":
        return timedelta(0)
    if not parts or rest or any(unit not in _SECONDS for _, unit in parts):
        raise ValueError(f'{text!r} is no duration; write it like "250ms", "90s", "15m", "6h" or "30d"')
    try:
        return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError(f"{text!r} is longer than time itself") from None


def format_duration(duration: timedelta) -> str:
    """Write a duration in the largest unit that shows it whole: ``90s``, ``15m``, ``36h``."""
    seconds = duration.total_seconds()
    for unit in ("w", "d", "h", "m", "s"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:g}{unit}"
    return f"{seconds * 1000:g}ms" if seconds else "0"


def parse_size(text: str) -> int:
    """Read ``"0"``, ``"500kB"``, ``"8MiB"``, ``"4GiB"`` as bytes; units of 1000 and of 1024 are told apart.

    Raises: ValueError when it is none of these.
    """
    match = _QUANTITY.fullmatch(text)
    if not match or match[2].lower() not in _BYTES:
        raise ValueError(f'{text!r} is no size; write it like "500kB", "8MiB" or "4GiB"')
    return int(float(match[1]) * _BYTES[match[2].lower()])


def format_size(size_bytes: float) -> str:
    """Write bytes with three digits and a unit of 1000: ``13.4 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.4g} TB"


def parse_rate(text: str) -> Rate:
    """Read ``"10/s"``, ``"10/min"``, ``"600/h"`` or ``"2/250ms"``.

    Raises: ValueError when it is none of these, or asks for nothing.
    """
    count, slash, period = text.partition("/")
    try:
        per = period.strip()
        rate = Rate(float(count), parse_duration(per if per[:1].isdigit() else f"1{per}"))
        if not math.isfinite(rate.count):
            raise ValueError
    except ValueError:
        rate = Rate(0, timedelta(0))
    if not slash or rate.count <= 0 or rate.period <= timedelta(0):
        raise ValueError(f'{text!r} is no rate; write it like "10/s", "10/min" or "600/h"')
    return rate
