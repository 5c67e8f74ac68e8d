"""Access tokens that end after a fixed life, and the refresh tokens that can be exchanged for the next ones."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Grant:
    """A token with the one-time token for the next. ``ends_at`` is on the clock of the desk that issued it."""

    access: str
    refresh: str
    ends_at: float


class TokenDesk:
    """Issues the tokens of one account. ``make`` turns a token's name into its text; the clock is in seconds."""

    def __init__(
        self, life: timedelta, make: Callable[[str], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._life = life.total_seconds()
        self._make = make
        self._clock = clock
        self._count = 0
        self._grants: dict[str, Grant] = {}
        self._unused: set[str] = set()
        self._newest: Grant | None = None

    def issue(self) -> Grant:
        """A new token; earlier ones stay good until their own end."""
        self._count += 1
        access, refresh = (self._make(f"{kind}/{self._count}") for kind in ("access", "refresh"))
        self._newest = grant = Grant(access, refresh, self._clock() + self._life)
        self._grants[access] = grant
        self._unused.add(refresh)
        return grant

    def in_force(self) -> Grant:
        """The newest token if it is still good, else a new one."""
        newest = self._newest
        return newest if newest is not None and self.is_good(newest.access) else self.issue()

    def exchange(self, refresh: str) -> Grant | None:
        """The next token for a refresh token, which is used up by this; None for one that is not good."""
        if refresh not in self._unused:
            return None
        self._unused.remove(refresh)
        return self.issue()

    def is_good(self, access: str) -> bool:
        """Whether a token was issued and has not ended."""
        grant = self._grants.get(access)
        return grant is not None and self._clock() < grant.ends_at

    def seconds_left(self, grant: Grant) -> int:
        """How long a token is still good, in whole seconds."""
        return int(grant.ends_at - self._clock())

    def end_all(self) -> None:
        """Every access token ends now; refresh tokens stay good."""
        self._grants.clear()
