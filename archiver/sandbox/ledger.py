"""What a sandbox provider saw and served: the truth that an archive is held against."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from archiver.sandbox.audio import render
from archiver.sandbox.population import Stock


@dataclass(frozen=True, slots=True)
class Served:
    """One body that went out. The digest is of what was written; ``complete`` means the whole recording."""

    sha256: str
    size_bytes: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """What a whole answer holds. ``format`` is the container of the bytes, ``wav`` or ``mp3``, whatever is claimed."""

    sha256: str
    size_bytes: int
    format: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What an archive can have of a recording.

    ``ready`` is False before its audio is there, ``retrievable`` is False when it is listed and can never be fetched.
    """

    ready: bool = True
    retrievable: bool = True


def _plain_standing(_recording_id: str) -> Standing:
    return Standing()


class Ledger:
    """Counts and digests of one provider's account.

    ``endpoints`` names the requests that are counted, answered and refused alike; ``refused`` counts the answers of
    400 and above wherever they were given. A media request that is redirected counts once, at the first host.
    """

    def __init__(
        self,
        account: str,
        stock: Stock,
        endpoints: Iterable[str],
        standing: Callable[[str], Standing] = _plain_standing,
    ) -> None:
        self.account = account
        self._stock = stock
        self._standing = standing
        self.credential_leaks = 0
        self._endpoints = tuple(endpoints)
        self._requests: Counter[str] = Counter()
        self._listed: Counter[str] = Counter()
        self._media_requests: Counter[str] = Counter()
        self._served: defaultdict[str, list[Served]] = defaultdict(list)
        self._deleted_at: dict[str, datetime] = {}
        self._truths: dict[str, Truth] = {}

    def note_request(self, endpoint: str) -> None:
        """A request reached the endpoint; names that are not counted are passed over."""
        if endpoint in self._endpoints:
            self._requests[endpoint] += 1

    def note_refused(self) -> None:
        """A request was answered with 400 or above."""
        self._requests["refused"] += 1

    def note_listed(self, recording_ids: Iterable[str]) -> None:
        """A page with these recordings was handed out."""
        self._listed.update(recording_ids)

    def note_media_request(self, recording_id: str) -> None:
        """Somebody asked for the audio, whatever the answer."""
        self._media_requests[recording_id] += 1

    def note_served(self, recording_id: str, written: bytes, *, complete: bool) -> None:
        """These bytes of a recording were written out."""
        self._served[recording_id].append(Served(sha256(written).hexdigest(), len(written), complete))

    def served(self, recording_id: str) -> Callable[[bytes, bool], None]:
        """``note_served`` for this recording, to be called with what was written and whether it was all of it."""

        def note(written: bytes, is_whole: bool) -> None:
            self.note_served(recording_id, written, complete=is_whole)

        return note

    def note_deleted(self, recording_id: str, now: datetime) -> None:
        """The recording vanished at this time."""
        self._deleted_at[recording_id] = now

    def reset_counts(self) -> None:
        """Forget every request, listing and body; which recordings exist and what they hold stays."""
        self.credential_leaks = 0
        for counts in (self._requests, self._listed, self._media_requests, self._served):
            counts.clear()

    async def prepare(self) -> None:
        """Digest what has no digest yet, letting other requests pass in between."""
        for recording_id in self._recording_ids():
            if recording_id not in self._truths:
                self._truth(recording_id)
                await asyncio.sleep(0)

    def as_json(self) -> dict[str, Any]:
        """The whole account as JSON values, with one entry for each recording that exists or was deleted."""
        return {
            "account": self.account,
            "recordings": {recording_id: self._entry(recording_id) for recording_id in self._recording_ids()},
            "requests": {name: self._requests[name] for name in (*self._endpoints, "refused")},
            "credential_leaks": self.credential_leaks,
        }

    def _recording_ids(self) -> list[str]:
        return [*self._stock.ids(), *self._deleted_at]

    def _entry(self, recording_id: str) -> dict[str, Any]:
        deleted_at = self._deleted_at.get(recording_id)
        return {
            **asdict(self._truth(recording_id)),
            **asdict(self._standing(recording_id)),
            "listed": self._listed[recording_id],
            "media_requests": self._media_requests[recording_id],
            "served": [asdict(served) for served in self._served.get(recording_id, ())],
            "deleted_at": deleted_at.isoformat().replace("+00:00", "Z") if deleted_at else None,
        }

    def _truth(self, recording_id: str) -> Truth:
        """Worked out once; the bytes themselves are not kept."""
        if recording_id not in self._truths:
            clip = self._stock.was(recording_id).clip
            body = render(clip)
            self._truths[recording_id] = Truth(sha256(body).hexdigest(), len(body), clip.encoding.container)
        return self._truths[recording_id]
