"""The VBC API over real sockets: both kinds of listing, pages of either base, filters, retrieve, media, the store."""

from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import pytest

from archiver.sandbox.options import VbcOptions
from tests.unit.sandbox.guests import VbcGuest, visit_vbc

COMPANY = "accounts/self/company_call_recordings"


def user_listing(vbc: VbcGuest, place: int) -> str:
    return f"users/{vbc.account['user_ids'][place]}/call_recordings"


async def all_rows(vbc: VbcGuest) -> dict[str, list[dict[str, Any]]]:
    """The rows of each listing by the contract's name of it."""
    users = {f"user:{user}": await vbc.rows(f"users/{user}/call_recordings") for user in vbc.account["user_ids"]}
    return {"company": await vbc.rows(), **users}


async def test_every_recording_is_in_one_listing(vbc: VbcGuest) -> None:
    """Company and user listings together hold each recording once, under the ledger's id."""
    names = [f"{listing}:{row['id']}" for listing, rows in (await all_rows(vbc)).items() for row in rows]
    assert len(names) == 60
    assert {name: entry["listed"] for name, entry in vbc.ledger["recordings"].items()} == dict.fromkeys(names, 1)


async def test_ids_overlap_between_listings(vbc: VbcGuest) -> None:
    """O3: one number in two listings is two recordings with other facts, addresses and bytes."""
    company, first, second = (await all_rows(vbc)).values()
    shared = {row["id"] for row in company} & {row["id"] for row in first} & {row["id"] for row in second}
    twins = [row for rows in (company, first, second) for row in rows if row["id"] == min(shared)]
    bodies = {(await vbc.audio(row)).body for row in twins}
    assert len(shared) == len(second)
    assert len(bodies) == len({row["download_url"] for row in twins}) == 3


async def test_audio_is_what_the_ledger_says(vbc: VbcGuest) -> None:
    """Media is MP3 of exactly the claimed size; about a third is redirected to the store, and no token leaks."""
    for listing, rows in (await all_rows(vbc)).items():
        for row in rows:
            answer = await vbc.audio(row)
            entry = vbc.ledger["recordings"][f"{listing}:{row['id']}"]
            served = {"sha256": sha256(answer.body).hexdigest(), "size_bytes": row["file_size_in_bytes"]}
            assert (answer.status, answer.body[:3], len(answer.body)) == (200, b"ID3", row["file_size_in_bytes"])
            assert {**entry, **served, "format": "mp3", "media_requests": 1} == entry
            assert entry["served"] == [{**served, "complete": True}]
    assert 10 < vbc.ledger["requests"]["store"] < 30
    assert vbc.ledger["credential_leaks"] == 0


async def test_a_leaked_token_is_counted(vbc: VbcGuest) -> None:
    """S1: the store answers 400 to a token, and the ledger counts the leak."""
    answers = [await vbc.get(row["download_url"]) for row in await vbc.rows()]
    location = next(answer.headers["Location"] for answer in answers if answer.status == 302)
    assert (await vbc.ask("GET", location, vbc.bearer)).status == 400
    assert (await vbc.ask("GET", location.partition("?")[0], {})).status == 403
    assert vbc.ledger["credential_leaks"] == 1


@pytest.mark.parametrize("base", [0, 1])
async def test_pages_begin_with_the_base(base: int) -> None:
    """D2: absent and 0 both mean the first page, which calls itself 0 or 1; links say the page and nothing else."""
    async with visit_vbc(vbc=VbcOptions(page_base=base)) as vbc:
        listing = f"{vbc.base_url}/api/accounts/{vbc.account_id}/company_call_recordings"
        first = (await vbc.get(f"{COMPANY}?page_size=10")).document
        pages = [(await vbc.get(f"{COMPANY}?page_size=10&page={page}")).document for page in (0, 1, base + 3)]
        links = {name: link["href"] for name, link in first["_links"].items()}
        numbers = {"first": base, "self": base, "next": base + 1, "last": base + 3}
        assert links == {name: f"{listing}?page={number}" for name, number in numbers.items()}
        assert (first["page"], first["page_size"], first["total_items"], first["total_pages"]) == (base, 10, 36, 4)
        assert pages[0] == first
        assert (pages[1] == first) == (base == 1)
        assert (len(pages[2]["_embedded"]["recordings"]), set(pages[2]["_links"])) == (
            6,
            {"first", "prev", "self", "last"},
        )


@pytest.mark.parametrize(("query", "size"), [("", 10), ("page_size=7", 7), ("page_size=1000", 50)])
async def test_sizes_are_clamped(vbc: VbcGuest, query: str, size: int) -> None:
    """The default page is 10; a size above the cap is clamped and the page says so."""
    page = (await vbc.get(f"{COMPANY}?{query}")).document
    assert (page["page_size"], len(page["_embedded"]["recordings"])) == (size, min(size, 36))


@pytest.mark.parametrize(("query", "total"), [("page=99", 36), ("cnam=nobody", 0)])
async def test_an_empty_page_has_no_rows_key(vbc: VbcGuest, query: str, total: int) -> None:
    """Behind the end, and where nothing matches, _embedded is absent, the total told, and the answer still 200."""
    answer = await vbc.get(f"{COMPANY}?{query}")
    page = answer.document
    assert (answer.status, "_embedded" in page, page["total_items"]) == (200, False, total)
    assert {"first", "self", "last"} <= set(page["_links"])
    assert "next" not in page["_links"]


async def test_order_goes_both_ways(vbc: VbcGuest) -> None:
    """Newest first is the default, start:ASC the other way round; the colon may be escaped."""
    newest = await vbc.rows()
    assert newest == sorted(newest, key=lambda row: row["start"], reverse=True)
    assert await vbc.rows(query="page_size=7&order=start:ASC") == newest[::-1]
    assert await vbc.rows(query="page_size=7&order=start%3ADESC") == newest


async def test_windows_include_both_ends(vbc: VbcGuest) -> None:
    """start:gte and start:lte are inclusive, and the answer's total is that of the window."""
    rows = await vbc.rows()
    first, last = (rows[place]["start"].replace("+", "%2B") for place in (20, 10))
    assert await vbc.rows(query=f"page_size=4&start:gte={first}&start:lte={last}") == rows[10:21]
    assert await vbc.rows(query=f"start:gte={first}&start:lte={first}") == rows[20:21]


@pytest.mark.parametrize(
    "query",
    [
        "start:gte=2026-05-01T00:00:00+0000",
        "start:lte=2026-05-01T00:00:00Z",
        "start:lte=2026-13-01T00:00:00%2B0000",
        "page=-1",
        "page_size=0",
        "page_size=x",
        "order=id:ASC",
        "duration:gte=long",
    ],
)
async def test_malformed_questions_answer_400(vbc: VbcGuest, query: str) -> None:
    """A plus that was sent bare arrives as a space, and is refused by name like every value of no known form."""
    answer = await vbc.get(f"{COMPANY}?{query}")
    assert (answer.status, answer.document["invalid_parameters"][0]["name"]) == (400, query.partition("=")[0])


async def test_filters_narrow_the_listing(vbc: VbcGuest) -> None:
    """Each filter gives exactly the rows that have it."""
    rows = await vbc.rows()
    inbound = [row for row in rows if row["call_direction"] == "INBOUND"]
    long = [row for row in rows if int(row["duration"]) >= 400]
    extension = next(extension for row in rows for extension in row["extensions"])
    assert await vbc.rows(query="call_direction=INBOUND&page_size=5") == inbound
    assert await vbc.rows(query="duration:gte=400") == long
    assert rows[3] in await vbc.rows(query=f"caller_id={rows[3]['caller_id']}")
    assert await vbc.rows(query=f"dnis={rows[3]['dnis']}&call_id={rows[3]['call_id']}") == [rows[3]]
    assert [row for row in rows if str(extension) in map(str, row["extensions"])] == await vbc.rows(
        query=f"extension={extension}"
    )


async def test_self_and_the_real_ids_are_the_same(vbc: VbcGuest) -> None:
    """self means the account, and the first user; links always name the real ids."""
    user_id = vbc.account["user_ids"][0]
    own = await vbc.rows("users/self/call_recordings")
    listing = f"{vbc.base_url}/api/accounts/{vbc.account_id}/users/{user_id}/call_recordings"
    assert vbc.account["account_id"] == "self"
    assert own == await vbc.rows(user_listing(vbc, 0))
    assert {row["_links"]["self"]["href"] for row in own} == {f"{listing}/{row['id']}" for row in own}
    assert (await vbc.get(f"accounts/{vbc.account_id}/company_call_recordings")).status == 200


async def test_the_versioned_path_is_the_same_api(vbc: VbcGuest) -> None:
    """Every address answers under /v1/api too, and some download addresses have it."""
    rows = await vbc.rows()
    url = rows[0]["_links"]["self"]["href"].replace("/api/accounts", "/v1/api/accounts")
    assert (await vbc.get(url)).document == rows[0]
    assert {"/v1/api/" in row["download_url"] for row in rows} == {True, False}


async def test_retrieve_answers_the_row(vbc: VbcGuest) -> None:
    """A recording of either kind is retrieved at its own link, as it is listed."""
    for rows in (await all_rows(vbc)).values():
        assert (await vbc.get(rows[0]["_links"]["self"]["href"])).document == rows[0]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("accounts/1/company_call_recordings", 403),
        ("accounts/self/users/1/call_recordings", 404),
        ("accounts/self/company_call_recordings/1", 404),
        ("accounts/self/users/1/call_recordings/1", 404),
        ("audio/recording/1", 404),
        ("audio/recording/99999999", 404),
        ("accounts/self/call_recordings", 404),
    ],
)
async def test_what_is_not_there(vbc: VbcGuest, path: str, status: int) -> None:
    """Another account is forbidden, another user or recording not found; neither says so in JSON."""
    answer = await vbc.get(path)
    assert (answer.status, answer.document) == (status, None)


async def test_late_rows_have_an_old_start() -> None:
    """D3: rows turn up in the middle while pages are read; the first page alone never shows them."""
    async with visit_vbc(late_arrivals=5) as vbc:
        before = [row["id"] for row in await vbc.rows(query="page_size=36")]
        for _ in range(3):
            await vbc.get(COMPANY)
        after = [row["id"] for row in await vbc.rows()]
        late = set(after) - set(before)
        assert (len(before), len(after), len(late)) == (33, 36, 3)
        assert max(after.index(number) for number in late) > 2


async def test_commands_reach_every_listing(vbc: VbcGuest) -> None:
    """add spreads over the listings; delete takes a recording away by its ledger id, media included."""
    row = (await vbc.rows())[5]
    answer = (await vbc.control({"add": 4, "delete": [f"company:{row['id']}"]})).document
    assert answer["deleted"] == [f"company:{row['id']}"]
    assert [name.rpartition(":")[0] for name in answer["added"]] == [
        "company",
        "company",
        *(f"user:{user}" for user in vbc.account["user_ids"]),
    ]
    assert (await vbc.get(row["_links"]["self"]["href"])).status == 404
    assert (await vbc.get(row["download_url"])).status == 404
    assert len(await vbc.rows()) == 37


async def test_the_token_is_for_the_api_only(vbc: VbcGuest) -> None:
    """S1: the account's only credential host is that of the API, to which every download address points."""
    hosts = {urlsplit(row["download_url"]).netloc for row in await vbc.rows()}
    assert hosts == {urlsplit(vbc.base_url).netloc} == set(vbc.account["credential_hosts"])
