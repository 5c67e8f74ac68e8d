"""Durations, sizes and rates as people write them: ``"15m"``, ``"8MiB"``, ``"10/min"``, and back."""

import math
import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

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
        period = format_duration(self.period)
        return f"{self.count:.15g}/{period[1:] if re.fullmatch('1[a-z]+', period) else period}"


def parse_duration(text: str) -> timedelta:
    """Read ``"250ms" "90s" "15m" "6h" "30d" "2w" "7y"`` (a year has 365 days) and sums such as ``"1h30m"``.

    Raises: ValueError when it is none of these.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text, re.ASCII)
    rest = re.sub(r"\d+(?:\.\d+)?\s*[a-z]+", "", text, flags=re.ASCII).strip()
    if text.strip() == "0":
        return timedelta(0)
    try:
        if parts and not rest:
            return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
    except (KeyError, OverflowError):  # no such unit; longer than a timedelta can be
        pass
    raise ValueError(f'{text!r} is no duration; write it like "250ms", "90s", "15m", "6h" or "30d"')


def format_duration(duration: timedelta) -> str:
    """Write a duration in the largest unit that shows it whole: ``90s``, ``15m``, ``36h``."""
    seconds = duration.total_seconds()
    for unit in ("w", "d", "h", "m", "s"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{seconds * 1000:.3f}".rstrip("0").rstrip(".") + "ms" if seconds else "0"


def parse_size(text: str) -> int:
    """Read ``"0"``, ``"500kB"``, ``"8MiB"``, ``"4GiB"`` as bytes; units of 1000 and of 1024 are told apart.

    Raises: ValueError when it is none of these.
    """
    match = _QUANTITY.fullmatch(text)
    if not match or match[2].lower() not in _BYTES:
        raise ValueError(f'{text!r} is no size; write it like "500kB", "8MiB" or "4GiB"')
    return int(Decimal(match[1]) * _BYTES[match[2].lower()])


def format_size(size_bytes: float) -> str:
    """Write bytes with three digits and a unit of 1000: ``13.4 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        text = f"{size_bytes:.0f}" if unit == "B" else f"{size_bytes:.3g}"
        if float(text) < 1000:
            return f"{text} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.3g} TB" if size_bytes < 999.5 else f"{size_bytes:.0f} TB"


def parse_rate(text: str) -> Rate:
    """Read ``"10/s"``, ``"10/min"``, ``"600/h"`` or ``"2/250ms"``.

    Raises: ValueError when it is none of these, or asks for nothing.
    """
    count, slash, period = text.partition("/")
    try:
        per = period.strip()
        rate = Rate(float(count), parse_duration(per if per[:1].isdigit() else f"1{per}"))
    except ValueError:
        rate = Rate(0, timedelta(0))
    if not slash or not math.isfinite(rate.count) or rate.count <= 0 or rate.period <= timedelta(0):
        raise ValueError(f'{text!r} is no rate; write it like "10/s", "10/min" or "600/h"')
    return rate
