"""What the pipeline asks of a provider. One instance serves one account; all methods may be called concurrently.

Every method may raise ``Transient`` (with ``retry_after`` where the provider named a wait), ``Throttled``,
``Unreachable``, or ``Denied`` when the provider refuses the account. Every error names the account. No method retries
or sleeps for a retry; each waits for its turn at the account's pacer. Reading may be repeated at will.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from archiver.model.listing import Cursor, Listing, Page, Window
from archiver.model.recording import Listed


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRule:
    """How a listing must be asked for by time.

    Windows of at most ``longest`` follow each other, each beginning ``overlap`` before the end of the one before, so
    that nothing on an edge is missed; a row that is in two of them is one recording all the same. ``reach`` is how far
    back the first one begins where the operator names no beginning. ``month_seam``: around each change of month (UTC)
    one more window reaches so far to both sides, for listings that are kept by month and lose rows at the seams.
    """

    longest: timedelta
    overlap: timedelta
    reach: timedelta
    month_seam: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """How far what this provider claims of a recording can be held against the audio that comes.

    Audio may be shorter than its claimed duration by ``slack`` or by ``share`` of it, whichever is more; longer audio
    is never doubted. ``has_exact_sizes``: a claimed size is that of the body, to the byte; otherwise it proves nothing.
    """

    slack: timedelta = timedelta(milliseconds=400)
    share: float = 0.1
    has_exact_sizes: bool = True

    def shortfall(self, claimed: timedelta) -> timedelta:
        """How much shorter than ``claimed`` the audio may be."""
        return max(self.slack, claimed * self.share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What this provider can do, as data.

    ``windows`` is None for a listing that can be read from end to end without one. ``filters_by_time`` says that such
    a listing can be asked for the recordings since a time all the same. ``seek`` makes the cursor behind so many rows
    from its beginning; None where it can only be read from there.
    ``can_resume`` says that media may be asked for from an offset. ``claims`` says what its claims are worth.
    """

    windows: WindowRule | None = None
    filters_by_time: bool = False
    seek: Callable[[int], Cursor] | None = None
    can_resume: bool = False
    claims: Claims = field(default_factory=Claims)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRequest:
    """Which media to open. ``attempt`` counts from 0: from 1 on, what may have gone stale (a link) is renewed first.

    ``offset`` and ``validator`` ask to go on where an earlier stream of the same media broke off.
    """

    recording: Listed
    attempt: int = 0
    offset: int = 0
    validator: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An open stream of audio.

    ``offset`` is where it really starts: the one asked for, or 0. ``size_bytes`` is the declared length of the whole
    media, ``validator`` what identifies these bytes when going on later; both None when the provider says nothing.
    Iterating ``chunks`` raises ``Unreachable`` when the connection breaks or falls silent, and never ends early
    where the framing shows that something is missing.
    """

    chunks: AsyncIterator[bytes]
    size_bytes: int | None
    content_type: str | None
    offset: int = 0
    validator: str | None = None


class Provider(Protocol):
    """One account at one provider."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; never changes."""

    async def identify(self) -> str:
        """The real id of the account at the provider, the same for ever however the operator names the account."""

    async def listings(self) -> Sequence[Listing]:
        """The listings to walk, by the contract's names; at least one, names distinct."""

    async def list_page(self, listing: Listing, window: Window, cursor: Cursor | None) -> Page:
        """The page at ``cursor`` (None: the first one), with ``window`` unchanged over all pages of it.

        With ``Capabilities.windows`` both ends of the window are given; else they are what the operator narrowed the
        run to, and an adapter that cannot ask for a part of the time may show more than the window.

        A row that is no recording we understand is in ``malformed``; the others are in ``rows``. A cursor may be used
        again later and in another process; positions that shifted meanwhile are noticed and re-read, never skipped.

        Raises: ListingError when the answer has an unknown shape (it is never taken for an empty page), or the
        provider refuses the cursor; WindowTooLarge when it wants a shorter window.
        """

    async def retrieve(self, recording: Listed) -> Listed:
        """The recording as the provider shows it now.

        Raises: Gone when the provider says that it does not exist; ListingError for an unknown shape.
        """

    def open_media(self, request: MediaRequest) -> AbstractAsyncContextManager[Media]:
        """The audio, exactly as the provider keeps it: not compressed, redirects followed by the account's rules.

        Raises: NotReady when the recording is there and its media is not; Gone when the recording itself is not;
        IntegrityError when the transfer itself is wrong (compressed, a part that was not asked for); Permanent when the
        media can never be had (a host that the account does not allow, a link of no use, more bytes than allowed).
        """
