"""What an HTTP client asks of the limiter of its credential."""

from datetime import timedelta
from typing import Protocol


class Pacer(Protocol):
    """One rate budget, shared by everything that goes out with one credential: logins, listings, media, deletes."""

    async def turn(self, cost: float = 1.0) -> None:
        """Wait until a request of this cost may go out, and take its share. Turns are given in the order of asking.

        Cancelling the wait takes no share. While frozen nobody gets a turn.
        """

    def freeze(self, duration: timedelta) -> None:
        """Be silent for this long from now on. An earlier, longer silence is not shortened."""
