"""How fast a count grows, how long the rest takes, and how both are written."""

from collections import deque


class Recent:
    """The pace of a growing count over the last ``span_s`` seconds, as far as somebody looked."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._looks: deque[tuple[float, float]] = deque()

    def per_s(self, count: float, now_s: float) -> float:
        """Look at the count; answers its growth per second since the look a span ago, or the first one."""
        if not count:
            self._looks.clear()  # the time before anything came says nothing about the pace
        self._looks.append((now_s, count))
        while len(self._looks) > 2 and self._looks[1][0] <= now_s - self._span_s:
            self._looks.popleft()
        then_s, before = self._looks[0]
        return (count - before) / (now_s - then_s) if now_s > then_s else 0.0


def time_left(rest: float | None, per_s: float) -> float | None:
    """How many seconds the rest takes at a pace; None while either is unknown."""
    if rest is None:
        return None
    if rest <= 0:
        return 0.0
    return rest / per_s if per_s > 0 else None


def span(seconds: float) -> str:
    """A time that passes, in at most two units: ``42s``, ``1m20s``, ``3h05m``, ``2d04h``, ``120d``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    days, rest = divmod(whole, 86_400)
    return f"{days}d{rest // 3600:02}h" if days < 100 else f"{days:,}d"
