"""What a sandbox provider saw and served: the truth that an archive is held against."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from archiver.sandbox.asked import Asked
from archiver.sandbox.audio import render
from archiver.sandbox.delivery import Served
from archiver.sandbox.population import Stock


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
    400 and above wherever they were given, ``faults`` what struck, in all and for each recording. A media request that
    is redirected counts once, at the first host.
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
        self._seen: dict[str, None] = {}
        self._media_requests: Counter[str] = Counter()
        self._served: defaultdict[str, list[Served]] = defaultdict(list)
        self._faults: Counter[str] = Counter()
        self._faults_of: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._delete_requests: defaultdict[str, list[datetime]] = defaultdict(list)
        self._deleted_at: dict[str, datetime] = {}
        self._truths: dict[str, Truth] = {}

    def note_asked(self, asked: Asked, now: datetime) -> None:
        """A request arrived, whatever the answer; endpoints that are not counted are passed over."""
        if asked.endpoint in self._endpoints:
            self._requests[asked.endpoint] += 1
        if asked.endpoint == "media" and asked.recording_id is not None:
            self._media_requests[asked.recording_id] += 1
        if asked.endpoint == "delete" and asked.recording_id is not None:
            self._delete_requests[asked.recording_id].append(now)

    def note_refused(self) -> None:
        """A request was answered with 400 or above."""
        self._requests["refused"] += 1

    def note_listed(self, recording_ids: Iterable[str]) -> None:
        """A page with these recordings was handed out."""
        names = tuple(recording_ids)
        self._listed.update(names)
        self._seen.update(dict.fromkeys(names))

    def served(self, recording_id: str) -> Callable[[Served], None]:
        """Notes what was written out of this recording."""
        return self._served[recording_id].append

    def note_fault(self, name: str, recording_id: str | None) -> None:
        """A fault struck, at a recording or elsewhere."""
        self._faults[name] += 1
        if recording_id is not None:
            self._faults_of[recording_id][name] += 1

    def note_deleted(self, recording_id: str, now: datetime) -> None:
        """The recording vanished at this time."""
        self._deleted_at[recording_id] = now

    def reset_counts(self) -> None:
        """Forget every request, listing, body and fault; which recordings exist and what they hold stays."""
        self.credential_leaks = 0
        for counts in (self._requests, self._listed, self._media_requests, self._served, self._delete_requests):
            counts.clear()
        self._faults.clear()
        self._faults_of.clear()

    async def prepare(self) -> None:
        """Digest what has no digest yet, letting other requests pass in between."""
        for recording_id in self._recording_ids():
            if recording_id not in self._truths:
                self._truth(recording_id)
                await asyncio.sleep(0)

    def as_json(self) -> dict[str, Any]:
        """The whole account as JSON values, with one entry for each recording that exists or did.

        ``present`` says whether it can be asked for now.
        """
        return {
            "account": self.account,
            "recordings": {recording_id: self._entry(recording_id) for recording_id in self._recording_ids()},
            "requests": {name: self._requests[name] for name in (*self._endpoints, "refused")},
            "credential_leaks": self.credential_leaks,
            "faults": dict(sorted(self._faults.items())),
        }

    def _recording_ids(self) -> list[str]:
        """Those that exist, and those that were listed or deleted before."""
        return list(dict.fromkeys([*self._stock.ids(), *self._seen, *self._deleted_at]))

    def _entry(self, recording_id: str) -> dict[str, Any]:
        deleted_at = self._deleted_at.get(recording_id)
        return {
            **asdict(self._truth(recording_id)),
            **asdict(self._standing(recording_id)),
            "present": self._stock.find(recording_id) is not None,
            "listed": self._listed[recording_id],
            "media_requests": self._media_requests[recording_id],
            "served": [asdict(served) for served in self._served.get(recording_id, ())],
            "faults": dict(sorted(self._faults_of.get(recording_id, {}).items())),
            "delete_requests": [_written(moment) for moment in self._delete_requests.get(recording_id, ())],
            "deleted_at": _written(deleted_at) if deleted_at else None,
        }

    def _truth(self, recording_id: str) -> Truth:
        """Worked out once; the bytes themselves are not kept."""
        if recording_id not in self._truths:
            clip = self._stock.was(recording_id).clip
            body = render(clip)
            self._truths[recording_id] = Truth(sha256(body).hexdigest(), len(body), clip.encoding.container)
        return self._truths[recording_id]


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
