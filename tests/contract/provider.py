"""The suite of every provider: one test for each sentence of the port. An adapter's test supplies one fixture."""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import pytest

from archiver.model.errors import Denied, Gone, ListingError, NotReady, Throttled, Unreachable
from archiver.model.listing import Cursor, Page, Window
from archiver.model.recording import Listed
from archiver.ports.provider import Media, MediaRequest, Provider

ANCHOR: Final = datetime(2026, 11, 20, tzinfo=UTC)
"""Every recording of a stage is older than this, by 90 days at most."""


class Stage(Protocol):
    """A provider with recordings, and what can happen to it. There are at least five, on at least two pages.

    ``provider`` is the subject. The others stand before a peer that does one thing only: ``refused`` is refused its
    credentials, ``silenced`` is told to wait 7 s, ``alone`` reaches nobody, ``misled`` gets listings of an unknown
    shape, and ``early`` lists recordings whose media is not there.
    """

    provider: Provider
    refused: Provider
    silenced: Provider
    alone: Provider
    misled: Provider
    early: Provider

    def digests(self) -> Mapping[str, str]:
        """The SHA-256 in hex of every recording that is there now."""
        ...

    async def remove(self, recording_id: str) -> None:
        """Delete a recording at the provider."""
        ...

    def reopened(self) -> Provider:
        """Another instance for the same account, as another process would have it."""
        ...


def windows(provider: Provider) -> Sequence[Window]:
    """What a listing is asked for to see all of it, latest first; the first one has two pages at least."""
    if provider.capabilities.windows is None:
        return [Window()]
    month = timedelta(days=30)
    return [Window(ANCHOR - month * (number + 1), ANCHOR - month * number) for number in range(3)]


async def pages(provider: Provider, cursor: Cursor | None = None) -> Sequence[Page]:
    """All pages of the first listing, from a cursor in its first window on."""
    listing, *_ = await provider.listings()
    found: list[Page] = []
    for window in windows(provider):
        page = await provider.list_page(listing, window, cursor)
        found.append(page)
        while page.next_cursor is not None and len(found) < 100:
            page = await provider.list_page(listing, window, page.next_cursor)
            found.append(page)
        cursor = None
    return found


async def rows(provider: Provider) -> Sequence[Listed]:
    """Every recording as listed, once."""
    listed = {row.recording_id: row for page in await pages(provider) for row in page.rows}
    return list(listed.values())


async def fetch(provider: Provider, request: MediaRequest) -> tuple[Media, bytes]:
    """Open media and read it to its end."""
    async with provider.open_media(request) as media:
        return media, b"".join([chunk async for chunk in media.chunks])


def digest(body: bytes) -> str:
    """The SHA-256 in hex."""
    return hashlib.sha256(body).hexdigest()


class ProviderContract:
    """Subclasses supply the fixture ``stage``."""

    async def test_capabilities_never_change(self, stage: Stage) -> None:
        """What a provider can do is the same before and after work, and in every instance."""
        before = stage.provider.capabilities
        await rows(stage.provider)
        assert stage.provider.capabilities == before == stage.reopened().capabilities

    async def test_the_real_id_is_the_same_for_ever(self, stage: Stage) -> None:
        """``identify`` says the same again, and in another process."""
        assert await stage.provider.identify() == await stage.provider.identify() == await stage.reopened().identify()

    async def test_listings_have_distinct_names(self, stage: Stage) -> None:
        """There is at least one listing, and no two share a name."""
        names = [listing.name for listing in await stage.provider.listings()]
        assert names
        assert len(names) == len(set(names))

    async def test_a_listing_is_read_to_its_end(self, stage: Stage) -> None:
        """From no cursor to none, the pages show every recording."""
        found = await pages(stage.provider)
        assert {row.recording_id for page in found for row in page.rows} == set(stage.digests())
        assert len(found) > 1
        assert not any(page.doubt for page in found)

    async def test_rows_say_where_they_are_listed(self, stage: Stage) -> None:
        """A row names its listing, and its times are aware and in UTC (D5)."""
        names = {listing.name for listing in await stage.provider.listings()}
        for row in await rows(stage.provider):
            assert row.listing in names
            assert row.started_at is None or row.started_at.tzinfo is UTC

    async def test_documents_can_be_kept(self, stage: Stage) -> None:
        """A row's document is JSON that holds nothing that a catalog cannot."""
        for row in await rows(stage.provider):
            assert "\\u0000" not in json.dumps(dict(row.document), allow_nan=False)

    async def test_a_cursor_may_be_used_again(self, stage: Stage) -> None:
        """A cursor gives the same rows a second time, and in another process."""
        first, second, *_ = await pages(stage.provider)
        again, *_ = await pages(stage.reopened(), first.next_cursor)
        assert [row.recording_id for row in again.rows] == [row.recording_id for row in second.rows]

    async def test_positions_that_shifted_are_re_read(self, stage: Stage) -> None:
        """D1: a row deleted between two pages lets no other be skipped."""
        listing, *_ = await stage.provider.listings()
        window, *_ = windows(stage.provider)
        first = await stage.provider.list_page(listing, window, None)
        for row in first.rows[:2]:
            await stage.remove(row.recording_id)
        rest = await pages(stage.provider, first.next_cursor)
        assert {row.recording_id for page in (first, *rest) for row in page.rows} >= set(stage.digests())

    async def test_retrieve_shows_what_the_listing_shows(self, stage: Stage) -> None:
        """An untouched recording has the same id, listing and fingerprint in both."""
        for row in (await rows(stage.provider))[:4]:
            now = await stage.provider.retrieve(row)
            assert (now.recording_id, now.listing, now.fingerprint) == (row.recording_id, row.listing, row.fingerprint)

    async def test_retrieving_a_deleted_recording_is_gone(self, stage: Stage) -> None:
        """``retrieve`` of what the provider no longer has raises Gone."""
        row, *_ = await rows(stage.provider)
        await stage.remove(row.recording_id)
        with pytest.raises(Gone):
            await stage.provider.retrieve(row)

    async def test_media_is_exactly_what_the_provider_keeps(self, stage: Stage) -> None:
        """The bytes are the provider's, as many as it declares, at the first attempt and at later ones."""
        for row in await rows(stage.provider):
            for attempt in (0, 1):
                media, body = await fetch(stage.provider, MediaRequest(recording=row, attempt=attempt))
                assert digest(body) == stage.digests()[row.recording_id]
                assert media.offset == 0
                assert media.size_bytes in (None, len(body))

    async def test_media_goes_on_where_it_says(self, stage: Stage) -> None:
        """B4: what was asked for from an offset begins there, or at 0, and says which."""
        row, *_ = await rows(stage.provider)
        whole, body = await fetch(stage.provider, MediaRequest(recording=row))
        request = MediaRequest(recording=row, attempt=1, offset=100, validator=whole.validator)
        rest, tail = await fetch(stage.provider, request)
        assert rest.offset in ({0, 100} if stage.provider.capabilities.can_resume else {0})
        assert body[: rest.offset] + tail == body
        assert rest.size_bytes in (None, len(body))

    async def test_media_of_a_deleted_recording_is_gone(self, stage: Stage) -> None:
        """``open_media`` of what the provider no longer has raises Gone, at the first attempt and at later ones."""
        row, *_ = await rows(stage.provider)
        await stage.remove(row.recording_id)
        for attempt in (0, 1):
            with pytest.raises(Gone):
                await fetch(stage.provider, MediaRequest(recording=row, attempt=attempt))

    async def test_media_that_is_not_there_yet_is_not_ready(self, stage: Stage) -> None:
        """B5: a recording that is there without its media is NotReady, at the first attempt and at later ones."""
        row, *_ = await rows(stage.early)
        for attempt in (0, 1):
            with pytest.raises(NotReady):
                await fetch(stage.early, MediaRequest(recording=row, attempt=attempt))

    async def test_media_may_be_left_early(self, stage: Stage) -> None:
        """A stream that is closed before its end leaves the provider usable."""
        row, *_ = await rows(stage.provider)
        async with stage.provider.open_media(MediaRequest(recording=row)) as media:
            await anext(media.chunks)
        _, body = await fetch(stage.provider, MediaRequest(recording=row))
        assert digest(body) == stage.digests()[row.recording_id]

    async def test_methods_may_be_called_concurrently(self, stage: Stage) -> None:
        """A walk, look-ups and downloads at once don't disturb each other."""
        listed = (await rows(stage.provider))[:5]
        downloads = [fetch(stage.provider, MediaRequest(recording=row)) for row in listed]
        lookups = [stage.provider.retrieve(row) for row in listed]
        bodies, found, walked = await asyncio.gather(
            asyncio.gather(*downloads), asyncio.gather(*lookups), rows(stage.provider)
        )
        assert [digest(body) for _, body in bodies] == [stage.digests()[row.recording_id] for row in listed]
        assert [row.recording_id for row in found] == [row.recording_id for row in listed]
        assert {row.recording_id for row in walked} == set(stage.digests())

    async def test_an_unknown_shape_is_never_an_empty_page(self, stage: Stage) -> None:
        """D2: a listing of an unknown shape raises ListingError, which names the account."""
        with pytest.raises(ListingError) as caught:
            await pages(stage.misled)
        assert caught.value.account

    async def test_refused_credentials_are_denied(self, stage: Stage) -> None:
        """An account that the provider refuses is Denied, with its name, whatever was asked for."""
        row, *_ = await rows(stage.provider)
        for call in (pages(stage.refused), stage.refused.retrieve(row)):
            with pytest.raises(Denied) as caught:
                await call
            assert caught.value.account

    async def test_throttling_names_the_wait(self, stage: Stage) -> None:
        """A provider that asks for silence is Throttled, with the wait that it named."""
        with pytest.raises(Throttled) as caught:
            await pages(stage.silenced)
        assert caught.value.retry_after == timedelta(seconds=7)
        assert caught.value.account

    async def test_no_answer_is_unreachable(self, stage: Stage) -> None:
        """A provider that cannot be reached is Unreachable, with the account's name."""
        row, *_ = await rows(stage.provider)
        for call in (pages(stage.alone), stage.alone.retrieve(row)):
            with pytest.raises(Unreachable) as caught:
                await call
            assert caught.value.account

    async def test_a_foreign_cursor_is_refused(self, stage: Stage) -> None:
        """A cursor that the listing never gave raises ListingError; it is not the first page."""
        listing, *_ = await stage.provider.listings()
        window, *_ = windows(stage.provider)
        with pytest.raises(ListingError):
            await stage.provider.list_page(listing, window, Cursor("never given"))
