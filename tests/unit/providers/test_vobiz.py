"""What Vobiz sends, read out of its samples and out of what a peer makes of them."""

import copy
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from archiver.model.errors import Denied, Gone, ListingError, NotReady, Permanent, Throttled, Transient
from archiver.model.listing import Page, Window
from archiver.model.secret import Secret
from archiver.ports.provider import MediaRequest
from archiver.providers.paging import OffsetPosition
from archiver.providers.vobiz import VobizOptions, VobizProvider
from archiver.providers.vobiz.documents import find_recording, media_url, parse_page, parse_recording
from archiver.providers.vobiz.provider import RECORDINGS
from tests.accounts import make_account, make_client
from tests.builders import make_listed
from tests.fakes.web import Handler, Peer, serve

TEXT = st.characters(exclude_categories=[])
ACCOUNT = make_account()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(TEXT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(TEXT), inner, max_size=3),
    max_leaves=5,
)
UNKEPT = {"\x00", *map(chr, range(0xD800, 0xE000))}
TOKEN = "tok-0123456789"


def sample(name: str) -> Any:
    """A stored answer."""
    return json.loads((Path(__file__).parents[2] / "samples" / "vobiz" / f"{name}.json").read_text())


def row(**changes: Any) -> dict[str, Any]:
    """The recording of the listing's sample, changed."""
    return {**sample("list")["objects"][0], **changes}


def page_with(*rows: object) -> Page:
    """The page that holds these raw rows and is the last one."""
    answer = {"meta": {"next": None, "total_count": len(rows)}, "objects": list(rows)}
    return parse_page(answer, RECORDINGS, OffsetPosition(), ACCOUNT)


def test_the_listing_sample() -> None:
    """Every fact of the sample is read; the billing minutes are not taken for the length."""
    page = parse_page(sample("list"), RECORDINGS, OffsetPosition(), ACCOUNT)
    (listed,) = page.rows
    assert (page.total, page.next_cursor, page.malformed, page.doubt) == (1, None, (), None)
    assert listed.recording_id == "d7801b2e-e76d-4dd8-be9c-9e015a7267b8"
    assert listed.listing == "recordings"
    assert listed.started_at == datetime(2025, 11, 6, 13, 48, 59, 422000, tzinfo=UTC)
    assert listed.duration == timedelta(milliseconds=10080)
    assert (listed.from_number, listed.to_number) == ("+918000000001", "919000000002")
    assert (listed.direction, listed.type, listed.claimed_format) == (None, "call", "mp3")
    assert listed.claimed_size is None
    assert listed.expires_at == datetime(2025, 12, 6, 13, 49, 10, 751756, tzinfo=UTC)


def test_a_recording_without_times_started_when_it_was_added() -> None:
    """D5: null times fall back to add_time, whose offset may be +05:30."""
    listed = parse_recording(sample("retrieve"), RECORDINGS.name, ACCOUNT)
    assert listed.started_at == datetime(2026, 3, 25, 4, 30, tzinfo=UTC)
    assert listed.duration == timedelta(milliseconds=7880)


def test_a_next_link_leads_on_by_offset() -> None:
    """A next link without ``/api`` is no address to us: the next request is built from our own offset."""
    page = parse_page(sample("list_middle"), RECORDINGS, OffsetPosition(), ACCOUNT)
    assert OffsetPosition.parse(page.next_cursor).query(20) == {"limit": "20", "offset": "0"}
    assert page.total == 57


def test_an_empty_account() -> None:
    """An empty account has one page without rows, and no doubt about it."""
    page = parse_page(sample("list_empty"), RECORDINGS, OffsetPosition(), ACCOUNT)
    assert (page.rows, page.next_cursor, page.total, page.doubt) == ((), None, 0, None)


def test_the_older_envelope() -> None:
    """The envelope of older pages is read too; its sizes without a unit are no claims."""
    page = parse_page(sample("list_older"), RECORDINGS, OffsetPosition(), ACCOUNT)
    (listed,) = page.rows
    assert page.next_cursor is not None
    assert listed.started_at == datetime(2025, 11, 6, 13, 49, 10, tzinfo=UTC)
    assert (listed.claimed_format, listed.claimed_size, listed.duration) == ("mp3", None, None)
    assert media_url(listed.document) == sample("list_older")["recordings"][0]["url"]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "objects",
        {},
        {"objects": []},
        {"meta": {}, "objects": []},
        {"meta": {"next": 7}, "objects": []},
        {"meta": {"next": None}, "objects": None},
        {"meta": {"next": None}, "objects": {}},
        {"meta": None, "objects": []},
        {"recordings": []},
        {"recordings": [], "pagination": {"has_more": "no"}},
        {"api_id": "a-1", "error": "Recording not found"},
    ],
)
def test_an_unknown_envelope_is_no_empty_listing(answer: object) -> None:
    """D2: whatever is not one of the two envelopes is a ListingError with the account's name."""
    with pytest.raises(ListingError, match="acme") as caught:
        parse_page(answer, RECORDINGS, OffsetPosition(), ACCOUNT)
    assert caught.value.account == "acme"


@pytest.mark.parametrize(
    "bad", [None, 7, "text", [], {}, row(recording_id=None), row(recording_id="../x"), row(recording_id=["x"])]
)
def test_a_malformed_row_costs_no_other(bad: object) -> None:
    """D6: one malformed row among good ones is kept aside with its reason, and its place is remembered."""
    page = page_with(row(recording_id="r1"), bad, row(recording_id="r3"))
    assert [listed.recording_id for listed in page.rows] == ["r1", "r3"]
    (malformed,) = page.malformed
    assert malformed.reason
    assert malformed.listing == "recordings"


def test_a_malformed_row_is_kept_short_and_redacted() -> None:
    """S5: the text of a malformed row has at most 10,000 characters and no secret."""
    page = page_with({"auth_token": TOKEN, "noise": "x" * 20_000})
    assert len(page.malformed[0].document) == 10_000
    assert TOKEN not in page.malformed[0].document


def test_malformed_rows_differ_and_stay_themselves() -> None:
    """A malformed row has the same fingerprint tomorrow, and another than its neighbour."""
    today, tomorrow = row(recording_id=None), row(recording_id=None, recording_storage_duration=2)
    one, again, other = page_with(today, tomorrow, row(recording_id=None, call_uuid="c2")).malformed
    assert one.fingerprint == again.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"recording_start_ms": "NaN"},
        {"recording_duration_ms": "Infinity", "recording_end_ms": {}},
        {"add_time": 7, "from_number": None, "conference_name": []},
        {"recording_type": 3, "recording_format": False, "to_number": ["x"]},
    ],
)
def test_an_unusable_fact_leaves_the_row(changes: dict[str, Any]) -> None:
    """D6: an optional fact that cannot be read is unknown; the recording is listed all the same."""
    page = page_with(row(**changes))
    assert len(page.rows) == 1


@seed(20261122)
@settings(max_examples=200, deadline=None)
@given(changes=st.dictionaries(st.sampled_from([*row(), "auth_token", "x\x00"]), JSON, max_size=6), stray=JSON)
def test_no_row_brings_the_page_down(changes: dict[str, Any], stray: object) -> None:
    """D6: whatever stands in a row, it is listed or kept aside, in a form that a catalog can hold."""
    page = page_with(row(), row(**changes), stray)
    assert len(page.rows) + len(page.malformed) == 3
    for listed in page.rows:
        assert not UNKEPT & set(json.dumps(listed.document, allow_nan=False, ensure_ascii=False))
    for malformed in page.malformed:
        assert not UNKEPT & set(malformed.document)


def test_the_fingerprint_is_that_of_the_recording() -> None:
    """What changes by itself, or is written in another way, leaves the fingerprint; what the recording is does not."""
    usual = page_with(row()).rows[0].fingerprint
    changes = {
        "recording_storage_duration": 9,
        "recording_url": "https://media.vobiz.ai/else",
        "conference_name": None,
        "add_time": "2025-11-06 19:19:10.751756+05:30",
        "a_field_of_tomorrow": 1,
    }
    assert page_with(row(**changes)).rows[0].fingerprint == usual
    assert page_with(row(recording_duration_ms="10081.00000")).rows[0].fingerprint != usual


def test_a_signed_link_is_not_kept() -> None:
    """S5: a link that carries a signature is replaced, at a pointer that says so, and is not used from there."""
    (listed,) = page_with(row(recording_url="https://store.example/r.mp3?Signature=abc")).rows
    assert listed.document["recording_url"] == "[redacted]"
    assert listed.redacted == ("/recording_url",)
    assert media_url(listed.document) is None


@pytest.mark.parametrize("name", ["retrieve", "retrieve_enveloped"])
def test_both_shapes_of_retrieve(name: str) -> None:
    """Retrieve answers with the object or with a list of one; neither keeps the id of the answer."""
    answer = sample(name)
    wanted = make_listed(answer.get("recording_id") or answer["objects"][0]["recording_id"])
    found = find_recording(answer, wanted, ACCOUNT)
    assert found["recording_id"] == wanted.recording_id
    assert "api_id" not in found


@pytest.mark.parametrize(
    "answer", [None, [], {"objects": []}, sample("list"), sample("retrieve"), sample("error_not_found")]
)
def test_another_recording_is_not_the_one_asked_for(answer: object) -> None:
    """An answer of retrieve that does not hold the recording is a ListingError, neither Gone nor another recording."""
    with pytest.raises(ListingError):
        find_recording(copy.deepcopy(answer), make_listed("r1"), ACCOUNT)


@asynccontextmanager
async def provider_before(handler: Handler, **changes: Any) -> AsyncIterator[tuple[VobizProvider, Peer]]:
    """The adapter, and the peer it talks to."""
    async with serve(handler) as peer:
        account = make_account(**{"base_url": f"{peer.origin}/api/v1", **changes})
        async with make_client(account) as http:
            yield VobizProvider(account, VobizOptions(auth_id="MA_1", auth_token=Secret(TOKEN)), http), peer


def vobiz(recording: object, media: web.Response | None = None, listing: int = 200, retrieve: int = 200) -> Handler:
    """A peer with one recording: its object or statuses, and its media, not found unless given."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/api/v1/Account/MA_1/Recording/":
            return web.json_response({"meta": {"next": None}, "objects": []}, status=listing)
        if request.path == "/api/v1/Account/MA_1/Recording/r1/":
            return web.json_response(recording, status=retrieve)
        return media or web.json_response({"error": "Recording not found"}, status=404)

    return handler


def request_for(attempt: int = 0, url: str | None = "/media/r1.mp3") -> MediaRequest:
    """Ask for the media of r1, whose listing showed this link."""
    listed = make_listed("r1", document={"recording_id": "r1", "recording_url": url})
    return MediaRequest(recording=listed, attempt=attempt)


R1 = {"recording_id": "r1", "recording_url": "/media/fresh.mp3"}


async def test_every_request_is_signed_and_well_spelt() -> None:
    """A listing is asked for with both headers, at a path that ends with a slash, with our limit and offset."""
    async with provider_before(vobiz(R1)) as (provider, peer):
        await provider.list_page(RECORDINGS, Window(), None)
    ((method, path, headers),) = peer.asked
    assert (method, path) == ("GET", "/api/v1/Account/MA_1/Recording/?limit=100&offset=0")
    assert (headers["X-Auth-ID"], headers["X-Auth-Token"]) == ("MA_1", TOKEN)


async def test_an_id_is_quoted_in_a_path() -> None:
    """An id with characters that mean something in an address stays one segment of the path."""
    async with provider_before(vobiz(R1)) as (provider, peer):
        with pytest.raises(Gone):
            await provider.retrieve(make_listed("a?b#c%2Fd"))
    assert peer.asked[0][1] == "/api/v1/Account/MA_1/Recording/a%3Fb%23c%252Fd/"


@pytest.mark.parametrize(("attempt", "url"), [(1, "/media/old.mp3"), (0, None), (0, "[redacted]")])
async def test_a_stale_link_is_renewed(attempt: int, url: str | None) -> None:
    """From the second attempt on, and where no link was kept, the recording is retrieved for a fresh one."""
    async with (
        provider_before(vobiz(R1, web.Response(body=b"RIFF"))) as (provider, peer),
        provider.open_media(request_for(attempt, url)) as media,
    ):
        assert [chunk async for chunk in media.chunks] == [b"RIFF"]
    assert [path for _, path, _ in peer.asked] == ["/api/v1/Account/MA_1/Recording/r1/", "/media/fresh.mp3"]


async def test_a_signed_fresh_link_is_used_as_given() -> None:
    """A fresh link goes out as the provider wrote it, signature and all."""
    link = "/media/a%2Fb.mp3?Signature=x%2By%3D&Expires=1"
    async with (
        provider_before(vobiz({**R1, "recording_url": link}, web.Response(body=b"RIFF"))) as (provider, peer),
        provider.open_media(request_for(attempt=1)),
    ):
        pass
    assert peer.asked[-1][1] == link


async def test_a_recording_without_a_link_is_not_ready() -> None:
    """B5: a recording that is there and names no link yet is waited for."""
    async with provider_before(vobiz({"recording_id": "r1"})) as (provider, _):
        with pytest.raises(NotReady):
            async with provider.open_media(request_for(attempt=1)):
                pass


@pytest.mark.parametrize("attempt", [0, 1])
async def test_missing_media_is_gone_only_with_its_recording(attempt: int) -> None:
    """B5: media 404 while the recording is there is NotReady; when retrieve says 404 as well it is Gone."""
    for retrieve, expected in ((200, NotReady), (404, Gone)):
        async with provider_before(vobiz(R1, retrieve=retrieve)) as (provider, _):
            with pytest.raises(expected):
                async with provider.open_media(request_for(attempt)):
                    pass


@pytest.mark.parametrize(("listing", "expected"), [(200, Transient), (401, Denied)])
async def test_a_401_for_one_recording_is_looked_into(listing: int, expected: type[Exception]) -> None:
    """Vobiz answers 401 to misspelt paths too: only a listing that is refused as well denies the account."""
    async with provider_before(vobiz(R1, web.Response(status=401), listing=listing)) as (provider, peer):
        with pytest.raises(expected):
            async with provider.open_media(request_for()):
                pass
    assert peer.asked[-1][1] == "/api/v1/Account/MA_1/Recording/?limit=1"


async def test_a_refused_listing_is_not_probed() -> None:
    """A refused listing says it all: the credentials are not tried again."""
    async with provider_before(vobiz(R1, listing=401)) as (provider, peer):
        with pytest.raises(Denied):
            await provider.list_page(RECORDINGS, Window(), None)
    assert len(peer.asked) == 1


@pytest.mark.parametrize("status", [400, 404, 410, 422])
async def test_a_listing_does_not_vanish(status: int) -> None:
    """D2: a refused page, for an expired cursor say, is a ListingError, never Gone and never empty."""
    async with provider_before(vobiz(R1, listing=status)) as (provider, _):
        with pytest.raises(ListingError):
            await provider.list_page(RECORDINGS, Window(), None)


async def test_the_wait_may_stand_in_the_body() -> None:
    """P1: a 429 may name its wait in ``error.details.retryAfter``."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.json_response(sample("error_general"), status=429)

    async with provider_before(handler) as (provider, _):
        with pytest.raises(Throttled, match="Too many requests") as caught:
            await provider.list_page(RECORDINGS, Window(), None)
    assert caught.value.retry_after == timedelta(seconds=30)
    assert caught.value.request_id == "req_1234567890"


async def test_an_error_of_the_reader_is_its_own() -> None:
    """What the reader of a stream raises passes through unchanged."""
    async with provider_before(vobiz(R1, web.Response(body=b"RIFF"))) as (provider, _):
        with pytest.raises(Gone, match="the reader's own"):
            async with provider.open_media(request_for()):
                raise Gone("the reader's own")


async def test_a_link_to_nowhere_is_permanent() -> None:
    """S2: a link that is no web address can never be had."""
    async with provider_before(vobiz(R1)) as (provider, _):
        with pytest.raises(Permanent):
            async with provider.open_media(request_for(url="file:///etc/passwd")):
                pass


async def test_the_account_is_its_auth_id() -> None:
    """The real id of an account is known without asking."""
    async with provider_before(vobiz(R1)) as (provider, peer):
        assert await provider.identify() == "MA_1"
    assert peer.asked == []
