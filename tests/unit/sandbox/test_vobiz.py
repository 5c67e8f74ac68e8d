"""The Vobiz API over real sockets: credentials, paths, pages and both shapes of retrieve."""

import pytest

from tests.unit.sandbox.visitor import Visitor, visit


@pytest.mark.parametrize(
    "change", [{"X-Auth-ID": "MA_OTHER"}, {"X-Auth-Token": "wrong"}, {"X-Auth-Token": ""}, {"X-Auth-ID": ""}]
)
@pytest.mark.parametrize("path", ["/auth/me", "/Account/{auth_id}/Recording/", "/Account/{auth_id}/Recording/x/"])
async def test_wrong_credentials_answer_401(visitor: Visitor, path: str, change: dict[str, str]) -> None:
    """Every endpoint refuses a missing or wrong half of the credentials, in Vobiz's error shape."""
    url = visitor.account["base_url"] + path.format(auth_id=visitor.account["auth_id"])
    answer = await visitor.get(url, {**visitor.credentials, **change})
    assert (answer.status, set(answer.document)) == (401, {"api_id", "error"})
    assert visitor.ledger["requests"]["refused"] == 1


@pytest.mark.parametrize(
    "path",
    ["/Account/{auth_id}/Recording", "/account/{auth_id}/recording/", "/Account/MA_OTHER/Recording/", "/Recording/"],
)
async def test_a_misspelt_path_answers_401(visitor: Visitor, path: str) -> None:
    """A missing slash, wrong casing or another account looks like bad credentials, not like 404."""
    answer = await visitor.get(visitor.account["base_url"] + path.format(auth_id=visitor.account["auth_id"]))
    assert (answer.status, set(answer.document)) == (401, {"api_id", "error"})


async def test_credentials_can_be_probed(visitor: Visitor) -> None:
    """auth/me answers 200 to the right credentials and names the account."""
    answer = await visitor.get(visitor.account["base_url"] + "/auth/me")
    assert (answer.status, answer.document["auth_id"]) == (200, visitor.account["auth_id"])
    assert visitor.ledger["requests"]["auth_me"] == 1


async def test_paging_lists_every_recording_once(visitor: Visitor) -> None:
    """When nothing arrives, pages of any size together hold each id exactly once."""
    rows = await visitor.rows("limit=7")
    listed = {recording_id: entry["listed"] for recording_id, entry in visitor.ledger["recordings"].items()}
    assert len(rows) == 60
    assert listed == {row["recording_id"]: 1 for row in rows}
    assert visitor.ledger["requests"]["list"] == 9


@pytest.mark.parametrize(
    ("query", "limit", "offset", "count"),
    [("", 20, 0, 20), ("limit=100", 50, 0, 50), ("limit=7&offset=56", 7, 56, 4), ("offset=60", 20, 60, 0)],
)
async def test_meta_echoes_what_was_applied(visitor: Visitor, query: str, limit: int, offset: int, count: int) -> None:
    """The default page is 20, a limit above the cap is clamped to it, and meta says what was done."""
    page = await visitor.page(query)
    meta = page["meta"]
    assert (meta["limit"], meta["offset"], meta["total_count"], len(page["objects"])) == (limit, offset, 60, count)


async def test_links_lack_the_api_prefix(visitor: Visitor) -> None:
    """next and previous are written without /api; next is null on the last page, previous on the first."""
    root = f"/v1/Account/{visitor.account['auth_id']}/Recording/"
    metas = [(await visitor.page(f"limit=25&offset={offset}"))["meta"] for offset in (0, 25, 50)]
    assert [meta["next"] for meta in metas] == [f"{root}?limit=25&offset=25", f"{root}?limit=25&offset=50", None]
    assert [meta["previous"] for meta in metas] == [None, f"{root}?limit=25&offset=0", f"{root}?limit=25&offset=25"]


async def test_api_id_is_new_on_every_request(visitor: Visitor) -> None:
    """The api_id identifies a request, not an answer."""
    assert (await visitor.page())["api_id"] != (await visitor.page())["api_id"]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "offset=-1", "offset=1.5"])
async def test_malformed_numbers_answer_400(visitor: Visitor, query: str) -> None:
    """A limit or offset that is no whole number in range is refused by name."""
    answer = await visitor.get(f"{visitor.listing_url}?{query}")
    assert (answer.status, answer.document["error"][:5]) == (400, query[:5])


async def test_filters_narrow_the_listing(visitor: Visitor) -> None:
    """recording_type and call_uuid give exactly the rows that have them, with their own total and links."""
    rows = await visitor.rows()
    trunk = [row for row in rows if row["recording_type"] == "trunk"]
    page = await visitor.page("recording_type=trunk&limit=1")
    assert await visitor.rows("recording_type=trunk&limit=2") == trunk
    assert page["meta"]["total_count"] == len(trunk)
    assert "recording_type=trunk&limit=1&offset=1" in page["meta"]["next"]
    assert len(await visitor.rows(f"call_uuid={rows[0]['call_uuid']}")) == 2


async def test_no_match_is_an_empty_page(visitor: Visitor) -> None:
    """A filter that nothing passes answers 200 with no objects, never 404."""
    page = await visitor.page("call_uuid=none")
    assert (page["objects"], page["meta"]["total_count"], page["meta"]["next"]) == ([], 0, None)


async def test_recordings_arrive_while_one_pages() -> None:
    """D1: rows that arrive at the head push known rows on to the next page, and a second pass finds the new ones."""
    async with visit(recordings=60, late_arrivals=5) as visitor:
        first = [row["recording_id"] for row in await visitor.rows("limit=10")]
        second = [row["recording_id"] for row in await visitor.rows("limit=10")]
        assert len(first) > len(set(first)) == 55
        assert len(set(second)) == len(second) == 60
        assert set(first) == set(second[5:])


async def test_retrieve_answers_in_both_shapes(visitor: Visitor) -> None:
    """A recording is always retrieved in the same one of two shapes, holding the row of the listing."""
    shapes = set()
    for row in await visitor.rows():
        url = f"{visitor.listing_url}{row['recording_id']}/"
        answer, again = (await visitor.get(url)).document, (await visitor.get(url)).document
        found = answer["objects"][0] if "objects" in answer else answer
        assert {**found, "api_id": None} == {**row, "api_id": None}
        assert answer["api_id"] != again["api_id"]
        shapes.add(("objects" in answer, "objects" in again))
    assert shapes == {(False, False), (True, True)}


async def test_an_unknown_recording_answers_404(visitor: Visitor) -> None:
    """Retrieve says in Vobiz's words that there is no such recording."""
    answer = await visitor.get(f"{visitor.listing_url}nothing/")
    assert (answer.status, answer.document["error"]) == (404, "Recording not found")
