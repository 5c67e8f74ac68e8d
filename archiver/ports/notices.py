"""What operators were told, by whichever process."""

from typing import Protocol


class NoticeBoard(Protocol):
    """Remembers the state of each subject that operators were told last; a subject that is not there is fine.

    May raise ``CatalogUnavailable`` and ``CatalogError``.
    """

    async def tell(self, subject: str, state: str | None, amount: int = 0) -> bool:
        """Note a state (None: fine again); True for the one caller for whom it is news, who has to tell it.

        Of the same state a greater ``amount`` is news; a smaller one is only noted.

        Told that all is fine about a subject that nobody was told of, it is no news.
        """
