"""A provider in memory: what it holds and how it misbehaves is the test's to say."""

from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from archiver.model.errors import ArchiverError, Gone, ListingError, NotReady, Unreachable
from archiver.model.listing import Cursor, Listing, Page, Window
from archiver.model.recording import Listed, Malformed
from archiver.ports.provider import Capabilities, Media, MediaRequest
from tests.builders import ACCOUNT, RECORDINGS, make_listed


@dataclass(kw_only=True)
class FakeRecording:
    """One recording. ``body`` None: not ready. ``cut_at``: every stream of it breaks after so many bytes."""

    listed: Listed
    body: bytes | None
    cut_at: int | None = None


@dataclass
class FakeProvider:
    """Lists the newest first, ``page_size`` at a time. ``malformed`` rows come with the first page.

    ``media_requests`` are those made so far, in order. ``account_id`` is what ``identify`` says.
    """

    page_size: int = 2
    account_id: str = "fake-1"
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(can_resume=True))
    malformed: tuple[Malformed, ...] = ()
    chunk_bytes: int = 1000
    media_requests: list[MediaRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._serials: dict[int, FakeRecording] = {}
        self._next_serial = 0
        self._failures: defaultdict[str, deque[ArchiverError]] = defaultdict(deque)

    def add(self, *recordings: FakeRecording) -> None:
        """Let recordings appear at the head of the listing, the last one first."""
        for recording in recordings:
            self._serials[self._next_serial] = recording
            self._next_serial += 1

    def remove(self, *recording_ids: str) -> None:
        """Let recordings vanish, as if deleted at the provider."""
        kept = {serial: one for serial, one in self._serials.items() if one.listed.recording_id not in recording_ids}
        self._serials = kept

    def find(self, recording_id: str) -> FakeRecording:
        """The recording as it is held now, free to be changed. Raises: Gone when there is none."""
        for recording in self._serials.values():
            if recording.listed.recording_id == recording_id:
                return recording
        raise Gone(f"account {ACCOUNT}: no recording {recording_id}", account=ACCOUNT)

    def recordings(self) -> Sequence[FakeRecording]:
        """Everything held, the oldest first."""
        return tuple(self._serials.values())

    def fail(self, method: str, *errors: ArchiverError) -> None:
        """Let the next calls of a method raise these errors, one each."""
        self._failures[method].extend(errors)

    async def identify(self) -> str:
        """The account's real id."""
        self._maybe_fail("identify")
        return self.account_id

    async def listings(self) -> Sequence[Listing]:
        """One listing."""
        self._maybe_fail("listings")
        return (RECORDINGS,)

    async def list_page(self, listing: Listing, window: Window, cursor: Cursor | None) -> Page:
        """The page behind a serial number, which no change moves."""
        self._maybe_fail("list_page")
        try:
            before = self._next_serial if cursor is None else int(cursor)
        except ValueError as error:
            raise ListingError(f"account {ACCOUNT}: cursor {cursor!r} is unknown", account=ACCOUNT) from error
        serials = sorted((serial for serial in self._serials if serial < before), reverse=True)
        page = serials[: self.page_size]
        return Page(
            rows=tuple(self._serials[serial].listed for serial in page),
            malformed=self.malformed if cursor is None else (),
            next_cursor=Cursor(str(page[-1])) if len(serials) > len(page) else None,
            total=len(self._serials) + len(self.malformed),
        )

    async def retrieve(self, recording: Listed) -> Listed:
        """The recording as it is held."""
        self._maybe_fail("retrieve")
        return self.find(recording.recording_id).listed

    @asynccontextmanager
    async def open_media(self, request: MediaRequest) -> AsyncIterator[Media]:
        """The body from the offset on; from its start when the validator is of another one."""
        self.media_requests.append(request)
        self._maybe_fail("open_media")
        recording = self.find(request.recording.recording_id)
        if recording.body is None:
            raise NotReady(f"account {ACCOUNT}: {request.recording.recording_id} is not there yet", account=ACCOUNT)
        validator = f'"{hash(recording.body):x}"'
        resumes = self.capabilities.can_resume and request.validator in (None, validator)
        offset = request.offset if resumes and request.offset < len(recording.body) else 0
        yield Media(
            chunks=self._chunks(recording, recording.body, offset),
            size_bytes=len(recording.body),
            content_type="audio/mpeg",
            offset=offset,
            validator=validator,
        )

    async def _chunks(self, recording: FakeRecording, body: bytes, offset: int) -> AsyncIterator[bytes]:
        end = len(body) if recording.cut_at is None else recording.cut_at
        for start in range(offset, end, self.chunk_bytes):
            yield body[start : min(start + self.chunk_bytes, end)]
        if end < len(body):
            raise Unreachable(f"account {ACCOUNT}: the body was cut short", account=ACCOUNT)

    def _maybe_fail(self, method: str) -> None:
        if self._failures[method]:
            raise self._failures[method].popleft()


def make_recording(recording_id: str, body: bytes | None = b"audio" * 100) -> FakeRecording:
    """A sound recording with these bytes."""
    return FakeRecording(listed=make_listed(recording_id), body=body)
