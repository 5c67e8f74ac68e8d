"""What a request is about, in words that all providers share."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The endpoint by its name in the ledger, and the recording or the page of a listing that is meant.

    ``query`` tells the pages of a listing from each other.
    """

    endpoint: str
    recording_id: str | None = None
    listing: str | None = None
    query: str = ""
