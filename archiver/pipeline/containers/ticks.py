"""What walkers share: how counted ticks become time, and the word for what contradicts a structure."""

from datetime import timedelta
from typing import Final

LONGEST: Final = timedelta(days=36_600)
"""Nobody records for a hundred years: a longer time is a broken number."""


class Flaw(Exception):
    """What contradicts a container's own structure, met in the middle of a walk: ``Sound.flaw``, to be."""


def playing_time(ticks: int, ticks_per_second: int) -> timedelta | None:
    """How long so many ticks (samples, mostly) play; None for no time at all and for one that can't be."""
    if ticks_per_second <= 0 or not 0 < ticks <= LONGEST.days * 86_400 * ticks_per_second:
        return None
    return timedelta(seconds=ticks / ticks_per_second)
