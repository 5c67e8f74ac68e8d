"""Two ways of counting how much somebody asks. ``now`` is in seconds of any clock that never goes back."""

from collections import deque

_MINUTE_S = 60.0


class SlidingMinute:
    """At most ``limit`` requests in any 60 seconds; a refused one is not counted."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._passed: deque[float] = deque()

    def admits(self, now: float) -> bool:
        """Count a request, unless it is one too many."""
        while self._passed and self._passed[0] <= now - _MINUTE_S:
            self._passed.popleft()
        if len(self._passed) >= self._limit:
            return False
        self._passed.append(now)
        return True


class TokenBucket:
    """Begins full with ``size`` tokens and gains ``refill_per_s``; what costs more than is left is refused."""

    def __init__(self, size: int, refill_per_s: float) -> None:
        self._size = size
        self._refill_per_s = refill_per_s
        self._left = float(size)
        self._counted_at: float | None = None

    @property
    def remaining(self) -> int:
        """Whole tokens that were left after the last request."""
        return int(self._left)

    def admits(self, cost: int, now: float) -> bool:
        """Take the tokens, unless there are too few."""
        since = 0.0 if self._counted_at is None else now - self._counted_at
        self._counted_at = now
        self._left = min(float(self._size), self._left + since * self._refill_per_s)
        if self._left < cost:
            return False
        self._left -= cost
        return True
