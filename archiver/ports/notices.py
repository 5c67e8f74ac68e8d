"""What operators were told, by whichever process."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a subject stands: its ``state``, None when it is fine, and how much of it there is.

    ``proven_at`` is the time, by the database's clock, at which it was seen to be fine; None: it is so now.
    """

    subject: str
    state: str | None
    amount: int = 0
    proven_at: datetime | None = None


class NoticeBoard(Protocol):
    """Remembers how each subject stood when operators were told last; a subject that is not there is fine.

    May raise ``CatalogUnavailable`` and ``CatalogError``.
    """

    async def tell(self, standing: Standing, lease: timedelta) -> str | None:
        """Note how a subject stands. Answers the id of a notice to the one caller who has to deliver it, else None.

        Of the same state a greater ``amount`` is news; a smaller one is only noted. That all is fine is no news about
        a subject that nobody was told of, nor when what was told of it is younger than the proof.

        Whoever does not say ``delivered`` within ``lease`` leaves the notice, with its id, to the next one who tells
        the same.
        """

    async def delivered(self, subject: str, notice: str) -> None:
        """A notice arrived; nobody else need deliver it. Of one that newer news replaced, nothing is noted."""
