"""What VBC sends, read out of its samples and out of what a peer makes of them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from archiver.model.errors import ConfigError, Denied, Gone, ListingError, NotReady, Throttled, Transient
from archiver.model.listing import Cursor, Listing, Page, Window
from archiver.model.recording import Listed, ListingName
from archiver.model.secret import Secret
from archiver.model.units import Rate
from archiver.net.http import HttpClient
from archiver.ports.provider import MediaRequest
from archiver.providers.paging import PageNumberPosition
from archiver.providers.vonage_vbc import DEFAULTS, VonageVbcOptions, VonageVbcProvider
from archiver.providers.vonage_vbc.documents import media_url, other_version, parse_page, parse_recording, window_query
from tests.accounts import make_account, make_client
from tests.fakes.web import Handler, Peer, answering, serve

ACCOUNT = make_account(remote_retention=None)
COMPANY = Listing(ListingName("company"))
USER = Listing(ListingName("user:745249"))
SECRETS = {"client_secret": "client-secret-0123", "password": "pass-word-0123"}
TOKENS = ("access-0", "access-1", "access-2")
ROOT = "/t/vbc.prod/call_recording/api/accounts/self"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def sample(name: str) -> Any:
    """A stored answer."""
    return json.loads((Path(__file__).parents[2] / "samples" / "vonage_vbc" / f"{name}.json").read_text())


def row(**changes: Any) -> dict[str, Any]:
    """The company recording of the samples, changed."""
    return {**sample("retrieve_company"), **changes}


def leaf(*rows: object, **facts: Any) -> dict[str, Any]:
    """The only page of a listing with these rows."""
    envelope = {"page": 1, "page_size": 50, "total_items": len(rows), "total_pages": 1}
    return {**({"_embedded": {"recordings": list(rows)}} if rows else {}), **envelope, **facts}


def parse(answer: object, listing: Listing = COMPANY) -> Page:
    """A first page."""
    return parse_page(answer, listing.name, PageNumberPosition(size=50), ACCOUNT)


def test_the_listing_sample() -> None:
    """Every fact of a company recording is read, and the id is qualified by its listing."""
    (listed,) = parse(sample("list_company")).rows
    assert (listed.recording_id, listed.listing, listed.type) == ("company:193228", "company", "company")
    assert listed.started_at == datetime(2019, 1, 1, tzinfo=UTC)
    assert listed.duration == timedelta(minutes=1)
    assert (listed.direction, listed.from_number, listed.to_number) == ("inbound", "17325550100", "17325550100")
    assert (listed.claimed_format, listed.claimed_size, listed.expires_at) == ("mp3", 100000, None)
    assert listed.redacted == ()


def test_a_recording_of_a_user() -> None:
    """The same number in a user's listing is another recording, with the user in its id."""
    (listed,) = parse(sample("list_user"), USER).rows
    assert (listed.recording_id, listed.listing, listed.type) == ("user:745249:193228", "user:745249", "on_demand")


def test_an_empty_listing() -> None:
    """A listing without recordings has no ``_embedded``, and is no doubt."""
    assert parse(sample("list_empty")) == Page(rows=(), total=0)


def test_numbers_may_be_texts() -> None:
    """A recording whose numbers come as texts, and texts as numbers, is the same recording."""
    page = parse(sample("list_strings"))
    (listed,), (usual,) = page.rows, parse(leaf(row())).rows
    assert (page.total, page.next_cursor, page.doubt) == (1, None, None)
    assert replace(listed, document={}) == replace(usual, document={})


@pytest.mark.parametrize(
    ("word", "direction"), [("OUTBOUND", "outbound"), ("INTRA_PBX", "internal"), ("SIDEWAYS", None), (7, None)]
)
def test_directions(word: object, direction: str | None) -> None:
    """The known directions have our names; a new one is unknown, and no reason to refuse the row."""
    assert parse(leaf(row(call_direction=word))).rows[0].direction == direction


@pytest.mark.parametrize("start", ["2019-01-01T05:30:00+0530", "2019-01-01T00:00:00Z", "2018-12-31T19:00:00-05:00"])
def test_every_time_is_an_instant(start: str) -> None:
    """D5: whatever the offset and its form, the start is the same instant in UTC."""
    listed = parse_recording(row(start=start), COMPANY.name, ACCOUNT)
    assert listed.started_at == datetime(2019, 1, 1, tzinfo=UTC)
    assert listed.started_at.tzinfo is UTC


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"recordings": []},
        {"_embedded": {}},
        {"_embedded": {"recordings": None}, "total_items": 0},
        {"_embedded": {"jobs": []}, "total_items": 0},
        {"page": 1, "total_pages": 0},
        {"fault": {"code": 900901}},
    ],
)
def test_an_unknown_envelope_is_no_empty_listing(answer: object) -> None:
    """D2: whatever is not the envelope is a ListingError with the account's name."""
    with pytest.raises(ListingError, match="acme") as caught:
        parse(answer)
    assert caught.value.account == "acme"


@pytest.mark.parametrize("bad", [None, 7, "text", [], {}, row(id=None), row(id="../x"), row(id=True), row(id=[1])])
def test_a_malformed_row_costs_no_other(bad: object) -> None:
    """D6: one malformed row among good ones is kept aside with its reason."""
    page = parse(leaf(row(id=1), bad, row(id=3)))
    assert [listed.recording_id for listed in page.rows] == ["company:1", "company:3"]
    (malformed,) = page.malformed
    assert malformed.reason
    assert malformed.listing == "company"


@seed(20261122)
@settings(max_examples=200, deadline=None)
@given(changes=st.dictionaries(st.sampled_from([*row(), "access_token", "x\x00"]), JSON, max_size=6), stray=JSON)
def test_no_row_brings_the_page_down(changes: dict[str, Any], stray: object) -> None:
    """D6: whatever stands in a row, it is listed or kept aside, in a form that a catalog can hold."""
    page = parse(leaf(row(), row(**changes), stray))
    assert len(page.rows) + len(page.malformed) == 3
    for kept in [*(json.dumps(listed.document) for listed in page.rows), *(one.document for one in page.malformed)]:
        assert "\\u0000" not in kept
        assert "\x00" not in kept


def test_the_fingerprint_is_that_of_the_recording() -> None:
    """Links, rules and names that are looked up leave the fingerprint; what the recording is does not."""
    usual = parse(leaf(row())).rows[0].fingerprint
    by_itself = {"download_url": "https://api.vonage.com/v1/x", "rule_ids": [], "cnam": "J. SMITH", "tomorrow": 1}
    assert parse(leaf(row(**by_itself, start="2019-01-01T01:00:00+0100"))).rows[0].fingerprint == usual
    for change in ({"duration": 60001}, {"file_size_in_bytes": 7}, {"start": None}, {"call_id": "c2"}):
        assert parse(leaf(row(**change))).rows[0].fingerprint != usual


def test_a_link_with_a_token_is_not_kept() -> None:
    """S5: a download link that carries a token is replaced, and is not used from there."""
    (listed,) = parse(leaf(row(download_url="https://api.vonage.com/r?access_token=abc"))).rows
    assert listed.redacted == ("/download_url",)
    assert media_url(listed.document) is None


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("https://h/call_recording/api/audio/recording/7", "https://h/call_recording/v1/api/audio/recording/7"),
        ("https://h/call_recording/v1/api/audio/recording/7", "https://h/call_recording/api/audio/recording/7"),
        ("https://h/elsewhere/7", None),
        (None, None),
    ],
)
def test_both_forms_of_a_link(url: str | None, other: str | None) -> None:
    """A download link has a form with ``/v1`` and one without, at the same host."""
    assert other_version(url) == other


def test_a_window_goes_out_in_whole_seconds() -> None:
    """The ends of a window are sent in UTC, widened to whole seconds; an open end is not sent."""
    since = datetime(2019, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    until = datetime(2019, 1, 31, 23, 59, 58, 500_000, tzinfo=UTC)
    asked = {"start:gte": "2019-01-01T00:00:00+0000", "start:lte": "2019-01-31T23:59:59+0000"}
    assert window_query(Window(since, until)) == asked
    assert window_query(Window()) == {}


LOGIN = {"client_id": "client", "client_secret": Secret("s"), "username": "u", "password": Secret("p")}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "client_id is missing"),
        ({**LOGIN, "password": None}, "password is missing"),
        ({**LOGIN, "client_secret": Secret("")}, "client_secret is missing"),
        ({**LOGIN, "access_token": Secret("t")}, "access_token stands alone"),
        ({"access_token": Secret("two words")}, "access_token"),
        ({**LOGIN, "listings": ()}, "listings"),
        ({**LOGIN, "listings": ("company", "user")}, "listings"),
        ({**LOGIN, "listings": ("users",), "user_ids": ()}, "user_ids"),
        ({**LOGIN, "user_ids": ("../1",)}, "ids"),
        ({**LOGIN, "account_id": ""}, "ids"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], words: str) -> None:
    """What cannot work is refused before any request, in words that hold no secret."""
    with pytest.raises(ValueError, match=words) as caught:
        VonageVbcOptions(**options)
    assert "two words" not in str(caught.value)


class Vbc:
    """A peer with one recording. Lists ``served`` pages; statuses of endpoints in ``status``; ``good`` is the token."""

    def __init__(self, **status: int) -> None:
        self.status = status
        self.served: object = leaf(row())
        self.found: object = row()
        self.media_paths: set[str] = {"/api/audio/recording/193228"}
        self.logins: list[str] = []
        self.good: str | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Like VBC, as far as the tests go."""
        if request.path == "/token":
            self.logins.append(await request.text())
            token = {"access_token": TOKENS[len(self.logins) - 1], "expires_in": 82566}
            return web.json_response(token, status=self.status.get("token", 200))
        token_sent = request.headers.get("Authorization")
        if self.good is not None and token_sent != f"Bearer {self.good}":
            return web.json_response(sample("error_credentials"), status=401)
        if request.path.endswith("call_recordings"):
            return web.json_response(self.served, status=self.status.get("list", 200))
        if "call_recordings/" in request.path:
            return web.json_response(self.found, status=self.status.get("retrieve", 200))
        is_there = request.path in self.media_paths
        return web.Response(body=b"ID3 audio" if is_there else b"", status=200 if is_there else 404)


@asynccontextmanager
async def provider_before(handler: Handler, **options: Any) -> AsyncIterator[tuple[VonageVbcProvider, Peer]]:
    """The adapter, and the peer it talks to."""
    login = {"client_id": "client", "username": "archive", **{name: Secret(value) for name, value in SECRETS.items()}}
    async with serve(handler) as peer:
        base_url = f"{peer.origin}/t/vbc.prod/call_recording"
        account = make_account(base_url=base_url, page_size=50, remote_retention=None)
        async with make_client(account) as http:
            chosen = VonageVbcOptions(**(options if "access_token" in options else login | options))
            yield VonageVbcProvider(account, chosen, http), peer


def asked(peer: Peer) -> list[str]:
    """What was asked for, without the logins."""
    return [path for _, path, _ in peer.asked if path != "/token"]


def listed_with(url: str | None) -> Listed:
    """The company recording, whose listing showed this link."""
    return parse_recording(row(download_url=url), COMPANY.name, ACCOUNT)


async def read(provider: VonageVbcProvider, url: str | None, attempt: int = 0) -> bytes:
    """The audio of the company recording."""
    async with provider.open_media(MediaRequest(recording=listed_with(url), attempt=attempt)) as media:
        return b"".join([chunk async for chunk in media.chunks])


async def test_a_listing_is_asked_for_as_documented() -> None:
    """Order, size and window are sent by us, the plus of ``+0000`` as ``%2B``, with the bearer token."""
    vbc = Vbc()
    window = Window(datetime(2019, 1, 1, tzinfo=UTC), datetime(2019, 2, 1, tzinfo=UTC))
    async with provider_before(vbc.answer) as (provider, peer):
        await provider.list_page(COMPANY, window, None)
    ends = "start:gte=2019-01-01T00:00:00%2B0000&start:lte=2019-02-01T00:00:00%2B0000"
    assert asked(peer) == [f"{ROOT}/company_call_recordings?order=start:DESC&page_size=50&{ends}"]
    assert peer.asked[-1][2]["Authorization"] == f"Bearer {TOKENS[0]}"


async def test_links_to_other_pages_are_not_followed() -> None:
    """The next page is asked for by our own parameters, filters included, from the base that the answer shows."""
    vbc = Vbc()
    vbc.served = {
        **leaf(*(row(id=number) for number in range(50)), total_items=90, total_pages=2, page=0),
        "_links": {},
    }
    async with provider_before(vbc.answer) as (provider, peer):
        first = await provider.list_page(COMPANY, Window(), None)
        await provider.list_page(COMPANY, Window(), first.next_cursor)
    assert asked(peer)[1] == f"{ROOT}/company_call_recordings?order=start:DESC&page_size=49&page=1"


async def test_a_foreign_cursor_is_refused() -> None:
    """A cursor that is no position of ours is a ListingError, and no request."""
    async with provider_before(Vbc().answer) as (provider, peer):
        with pytest.raises(ListingError):
            await provider.list_page(COMPANY, Window(), Cursor("never given"))
    assert peer.asked == []


@pytest.mark.parametrize("status", [400, 404, 410, 422])
async def test_a_listing_does_not_vanish(status: int) -> None:
    """D2: a refused page, of an unknown account or user say, is a ListingError, never Gone and never empty."""
    async with provider_before(Vbc(list=status).answer) as (provider, _):
        with pytest.raises(ListingError, match="account_id and user_ids"):
            await provider.list_page(COMPANY, Window(), None)


@pytest.mark.parametrize(
    ("name", "shown", "number"),
    [("company", "company_call_recordings", "193228"), ("user:745249", "users/745249/call_recordings", "193228")],
)
async def test_both_kinds_are_retrieved_at_their_own_path(name: str, shown: str, number: str) -> None:
    """A recording is retrieved where its listing lies, by its bare number."""
    listed = parse_recording(row(), ListingName(name), ACCOUNT)
    async with provider_before(Vbc().answer) as (provider, peer):
        assert await provider.retrieve(listed) == listed
    assert asked(peer) == [f"{ROOT}/{shown}/{number}"]


@pytest.mark.parametrize("found", [None, [], {}, row(id=7), {"_embedded": {"recordings": [row()]}}])
async def test_another_recording_is_not_the_one_asked_for(found: object) -> None:
    """An answer of retrieve that does not hold the recording is a ListingError, neither Gone nor another recording."""
    vbc = Vbc()
    vbc.found = found
    async with provider_before(vbc.answer) as (provider, _):
        with pytest.raises(ListingError):
            await provider.retrieve(listed_with(None))


async def test_the_login() -> None:
    """S1: the client's secret and the password go to the token endpoint, with ``@vbc.prod`` behind the name."""
    vbc = Vbc()
    async with provider_before(vbc.answer) as (provider, peer):
        await provider.list_page(COMPANY, Window(), None)
    (form,) = vbc.logins
    assert "username=archive%40vbc.prod" in form
    assert peer.asked[0][:2] == ("POST", "/token")
    assert not any(secret in path for secret in SECRETS.values() for _, path, _ in peer.asked)


@pytest.mark.parametrize("token_url", ["https://elsewhere.example/token", "ftp://127.0.0.1/token", "no address"])
async def test_a_token_url_at_a_strangers_is_refused(token_url: str) -> None:
    """S1: a token endpoint that is at no host of the account's gets nothing: the configuration is refused."""
    with pytest.raises(ConfigError) as caught:
        async with provider_before(Vbc().answer, token_url=token_url):
            pass
    assert caught.value.key == "token_url"


async def test_a_token_that_ends_in_mid_run_is_renewed() -> None:
    """A 401 renews the token once and repeats the request once; then the account is denied."""
    vbc = Vbc()
    async with provider_before(vbc.answer) as (provider, peer):
        await provider.list_page(COMPANY, Window(), None)
        vbc.good = TOKENS[1]
        await provider.list_page(COMPANY, Window(), None)
        vbc.good = "none of these"
        with pytest.raises(Denied):
            await provider.list_page(COMPANY, Window(), None)
    assert len(vbc.logins) == 3
    assert len(asked(peer)) == 5


async def test_media_with_a_token_that_ended_is_opened_again() -> None:
    """A 401 of a download is about the token as well."""
    vbc = Vbc()
    vbc.good = TOKENS[1]
    async with provider_before(vbc.answer) as (provider, _):
        assert await read(provider, "/api/audio/recording/193228") == b"ID3 audio"


async def test_a_fixed_token_is_not_renewed() -> None:
    """A refused fixed token denies the account, without its text and without a login."""
    vbc = Vbc()
    vbc.good = "another"
    async with provider_before(vbc.answer, access_token=Secret(TOKENS[0])) as (provider, _):
        with pytest.raises(Denied, match="no way to renew") as caught:
            await provider.list_page(COMPANY, Window(), None)
    assert TOKENS[0] not in str(caught.value)
    assert vbc.logins == []


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
@pytest.mark.parametrize("fault", ["error_throttled.json", "error_throttled_flat.json", "error_throttled.xml"])
async def test_the_gateway_throttles_under_any_status(status: int, fault: str) -> None:
    """P1: a fault 9008xx is throttling whatever the status, as JSON or XML; no token is renewed for it."""
    body = (Path(__file__).parents[2] / "samples" / "vonage_vbc" / fault).read_bytes()
    async with provider_before(answering(status, body), access_token=Secret("t")) as (provider, peer):
        with pytest.raises(Throttled):
            await provider.list_page(COMPANY, Window(), None)
    assert len(peer.asked) == 1


@pytest.mark.parametrize(("status", "expected"), [(403, Denied), (500, Transient)])
async def test_other_faults_are_judged_by_status(status: int, expected: type[Exception]) -> None:
    """A fault with another code means what its status does; a 403 says what to look at."""
    handler = answering(status, sample("error_credentials"))
    async with provider_before(handler, access_token=Secret("t")) as (provider, _):
        with pytest.raises(expected) as caught:
            await provider.list_page(COMPANY, Window(), None)
    assert not isinstance(caught.value, Throttled)
    assert status != 403 or "Administrator" in (getattr(caught.value, "fix", None) or "")


async def test_media_is_asked_for_as_audio() -> None:
    """The download link is used as given, with the token, and says that audio is wanted."""
    async with provider_before(Vbc().answer) as (provider, peer):
        assert await read(provider, "/api/audio/recording/193228") == b"ID3 audio"
    _, path, headers = peer.asked[-1]
    assert path == "/api/audio/recording/193228"
    assert headers["Accept"] == "audio/mpeg, */*;q=0.5"
    assert headers["Authorization"] == f"Bearer {TOKENS[0]}"


async def test_media_at_a_strangers_gets_no_token() -> None:
    """S1: a download link to another host is followed without the token."""
    async with serve(answering(200, b"ID3 audio")) as stranger, provider_before(Vbc().answer) as (provider, _):
        assert await read(provider, f"{stranger.origin}/r.mp3") == b"ID3 audio"
    assert "Authorization" not in stranger.asked[0][2]


@pytest.mark.parametrize("attempt", [0, 1])
async def test_the_other_form_of_the_link_is_tried_once(attempt: int) -> None:
    """Where a link leads nowhere, its other form does, once retrieve has said that the recording is there."""
    vbc = Vbc()
    vbc.found = row(download_url="/api/audio/recording/193228")
    vbc.media_paths = {"/v1/api/audio/recording/193228"}
    async with provider_before(vbc.answer) as (provider, peer):
        assert await read(provider, "/api/audio/recording/193228", attempt) == b"ID3 audio"
    assert len(asked(peer)) == 3


@pytest.mark.parametrize("attempt", [0, 1])
@pytest.mark.parametrize(("retrieve", "expected"), [(200, NotReady), (404, Gone)])
async def test_missing_media_is_gone_only_with_its_recording(
    attempt: int, retrieve: int, expected: type[Exception]
) -> None:
    """B5: media 404 while the recording is there is NotReady; when retrieve says 404 as well it is Gone."""
    vbc = Vbc(retrieve=retrieve)
    vbc.found = row(download_url="/api/audio/recording/193228")
    vbc.media_paths = set()
    async with provider_before(vbc.answer) as (provider, _):
        with pytest.raises(expected):
            await read(provider, "/api/audio/recording/193228", attempt)


async def test_a_recording_without_a_link_is_not_ready() -> None:
    """B5: a recording that is there and names no link yet is waited for."""
    vbc = Vbc()
    vbc.found = row(download_url=None)
    async with provider_before(vbc.answer) as (provider, _):
        with pytest.raises(NotReady):
            await read(provider, None)


async def test_a_configured_account_is_known_without_asking() -> None:
    """Real ids in the configuration need no request."""
    options = {"account_id": "549825", "listings": ("company", "users"), "user_ids": ("745249", "745250", "745249")}
    async with provider_before(Vbc().answer, **options) as (provider, peer):
        assert await provider.identify() == "549825"
        assert [one.name for one in await provider.listings()] == ["company", "user:745249", "user:745250"]
    assert peer.asked == []


@pytest.mark.parametrize("answer", [sample("list_user"), {**sample("list_user"), "_links": None}])
async def test_self_is_resolved_by_links(answer: object) -> None:
    """``self`` becomes the account and the user that the links of the listing or of its rows name; asked once."""
    vbc = Vbc()
    vbc.served = answer
    async with provider_before(vbc.answer, listings=("users",), user_ids=("self", "745249")) as (provider, peer):
        assert await provider.identify() == await provider.identify() == "549825"
        assert [one.name for one in await provider.listings()] == ["user:745249"]
    assert len(asked(peer)) == 1


async def test_self_without_telling_links_has_a_lasting_name() -> None:
    """Where rows never name the account or the user, a digest of the login does; it leads to ``self`` again."""
    vbc = Vbc()
    vbc.served = leaf(row(_links={"self": {"href": "https://h/api/accounts/self/users/self/call_recordings/1"}}))
    names = set()
    for _ in range(2):
        async with provider_before(vbc.answer, listings=("users",)) as (provider, peer):
            (listing,) = await provider.listings()
            names |= {await provider.identify(), listing.name.removeprefix("user:")}
            await provider.list_page(listing, Window(), None)
            assert asked(peer)[-1].startswith(f"{ROOT}/users/self/call_recordings?")
    (name,) = names
    assert name.startswith("self@")


async def test_an_empty_account_that_nothing_names_is_not_guessed() -> None:
    """A name that could change with the first recording is refused; the error says what to configure."""
    vbc = Vbc()
    vbc.served = leaf()
    async with provider_before(vbc.answer) as (provider, _):
        with pytest.raises(ListingError) as caught:
            await provider.identify()
        assert "account_id" in str(caught.value.fix)
        vbc.served = sample("list_empty")
        assert await provider.identify() == "549825"


class Turnstile:
    """A pacer that counts."""

    def __init__(self) -> None:
        self.turns = 0

    async def turn(self, cost: float = 1.0) -> None:
        """One more."""
        self.turns += 1

    def freeze(self, duration: timedelta) -> None:
        """Nothing to hold back."""


async def test_one_quota_for_everything() -> None:
    """P1: logins, listings, look-ups and media wait for their turn at one pacer, by default for ten a minute."""
    turnstile = Turnstile()
    async with serve(Vbc().answer) as peer:
        account = make_account(base_url=f"{peer.origin}/call_recording")
        async with HttpClient(account, turnstile) as http:
            login: Any = {name: Secret(value) for name, value in SECRETS.items()}
            provider = VonageVbcProvider(account, VonageVbcOptions(client_id="c", username="u", **login), http)
            page = await provider.list_page(COMPANY, Window(), None)
            await provider.retrieve(page.rows[0])
            await read(provider, "/api/audio/recording/193228")
    assert turnstile.turns == len(peer.asked) == 4
    assert (DEFAULTS.rate_limit, DEFAULTS.burst) == (Rate(10, timedelta(minutes=1)), 1)
