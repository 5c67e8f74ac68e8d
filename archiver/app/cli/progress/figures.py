"""The numbers of one account, or of all together, at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from archiver.app.cli.progress.pace import Recent, time_left
from archiver.pipeline.tally import Reached, Tally

_SPEED_SPAN_S: Final = 5
_SETTLING_SPAN_S: Final = 60
"""Longer, since a quota may let a recording through every six seconds only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a tally comes to. ``counts`` has what is only ever added up, by the word that people read.

    ``claimed`` is how many recordings the listings hold, None while one does not say; ``is_walked`` whether all were
    read to their end, ``is_complete`` whether that is proven. ``rest_s`` is None while unknown, 0 when nothing is left.
    """

    counts: Mapping[str, int]
    seen: int
    claimed: int | None
    is_walked: bool
    is_complete: bool
    is_stopped: bool
    size_bytes: int
    bytes_per_s: float
    left: int | None
    rest_s: float | None


class Meter:
    """Reads one account's tally, and remembers how fast it grew."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._bytes = Recent(_SPEED_SPAN_S)
        self._settled = Recent(_SETTLING_SPAN_S)

    def read(self, now_s: float) -> Figures:
        """The figures now."""
        tally, walks = self.tally, self.tally.reached.values()
        seen = sum(walk.seen for walk in walks)
        claimed = _sum([_claimed(walk) for walk in walks]) if walks else None
        settled_per_s = self._settled.per_s(tally.verified + tally.failed, now_s)
        return Figures(
            counts={
                "known": max(0, seen - tally.new),
                "new": tally.new,
                "stored": tally.stored,
                "verified": tally.verified,
                "failed": tally.failed,
                "suspect": tally.suspect,
                "refused": tally.refused,
                "in flight": tally.in_flight,
            },
            seen=seen,
            claimed=claimed,
            is_walked=bool(walks) and all(walk.is_over for walk in walks),
            is_complete=tally.reached.keys() <= {walk.listing for walk in tally.walks if walk.is_complete},
            is_stopped=tally.trouble is not None,
            size_bytes=tally.bytes,
            bytes_per_s=self._bytes.per_s(tally.bytes, now_s),
            left=tally.left,
            rest_s=time_left(_to_come(tally, seen, claimed), settled_per_s),
        )


def together(parts: Sequence[Figures]) -> Figures:
    """All accounts. They run side by side, so the slowest says how long the rest takes."""
    rests = [part.rest_s for part in parts if part.rest_s is not None or not part.is_stopped]
    known = [rest for rest in rests if rest is not None]
    return Figures(
        counts={word: sum(part.counts[word] for part in parts) for word in parts[0].counts},
        seen=sum(part.seen for part in parts),
        claimed=_sum([part.claimed for part in parts]),
        is_walked=all(part.is_walked for part in parts),
        is_complete=all(part.is_complete for part in parts),
        is_stopped=any(part.is_stopped for part in parts),
        size_bytes=sum(part.size_bytes for part in parts),
        bytes_per_s=sum(part.bytes_per_s for part in parts),
        left=_sum([part.left for part in parts]),
        rest_s=max(known) if known and len(known) == len(rests) else None,
    )


def _claimed(walk: Reached) -> int | None:
    if walk.is_over:
        return walk.seen
    return None if walk.total is None else max(walk.seen, walk.total)


def _sum(counts: Sequence[int | None]) -> int | None:
    """The sum, None when a part of it is unknown."""
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _to_come(tally: Tally, seen: int, claimed: int | None) -> float | None:
    """What is left now, and what the unread rest of the listings will add if as much of it is new as so far."""
    if tally.left is None or claimed is None:
        return None
    return tally.left + (claimed - seen) * (min(1.0, tally.new / seen) if seen else 1.0)
