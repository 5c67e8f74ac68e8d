"""Kazoo's listings over real sockets: the window's rules, keyset pages, users, and what goes wrong between months."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archiver.sandbox.kazoo_months import gregorian
from archiver.sandbox.kazoo_query import LONGEST_S
from archiver.sandbox.options import KazooOptions
from tests.unit.sandbox.guests import KazooGuest, visit_kazoo
from tests.unit.sandbox.visitor import ANCHOR

NOW = gregorian(ANCHOR)
DAY = 86400
TURN = gregorian(datetime(2026, 5, 1, tzinfo=UTC))
"""The change of month that lies in the middle of the last 60 days before the anchor."""


async def everything(kazoo: KazooGuest) -> list[dict[str, Any]]:
    """The rows of overlapping windows that span every change of month."""
    windows = [(NOW - days * DAY, NOW - (days - 30) * DAY) for days in range(90, 29, -10)]
    rows = [row for first, last in windows for row in await kazoo.rows(first, last)]
    return list({row["id"]: row for row in rows}.values())


async def test_windows_that_span_the_months_list_everything(kazoo: KazooGuest) -> None:
    """Every recording, the straddlers too, is in some window that spans its change of month."""
    rows = await everything(kazoo)
    assert {row["id"] for row in rows} == set(kazoo.ledger["recordings"])
    assert len(rows) == 60


async def test_pages_go_on_from_a_key(kazoo: KazooGuest) -> None:
    """A page's page_size is its number of rows; next_start_key begins the next page, and is absent on the last."""
    window = f"created_from={NOW - 31 * DAY}&created_to={NOW}"
    whole = await kazoo.rows(NOW - 31 * DAY, NOW)
    first = (await kazoo.get(f"recordings?{window}&page_size=10")).document
    second = (await kazoo.get(f"recordings?{window}&page_size=10&start_key={first['next_start_key']}")).document
    last = (await kazoo.get(f"recordings?{window}&page_size=1000")).document
    assert first["data"] + second["data"] == whole[:20]
    assert second["start_key"] == first["next_start_key"]
    assert (first["page_size"], last["page_size"], "next_start_key" in last) == (10, len(whole), False)


async def test_pages_of_any_size_and_order_agree(kazoo: KazooGuest) -> None:
    """Paged by sevens, oldest first, or all at once, a window has the same rows."""
    whole = await kazoo.rows(NOW - 31 * DAY, NOW)
    assert await kazoo.rows(NOW - 31 * DAY, NOW, "page_size=7") == whole
    assert await kazoo.rows(NOW - 31 * DAY, NOW, "page_size=7&ascending=true") == whole[::-1]
    assert await kazoo.rows(NOW - 31 * DAY, NOW, "descending=false") == whole[::-1]
    assert await kazoo.rows(NOW - 31 * DAY, NOW, "paginate=false") == whole


async def test_deletes_and_inserts_shift_no_page(kazoo: KazooGuest) -> None:
    """D1: a key stays good when its own row and those before it vanish while somebody pages."""
    window = f"created_from={NOW - 31 * DAY}&created_to={NOW}"
    whole = await kazoo.rows(NOW - 31 * DAY, NOW)
    following = (await kazoo.get(f"recordings?{window}&page_size=10")).document["next_start_key"]
    await kazoo.control({"delete": [row["id"] for row in whole[5:11]], "add": 3})
    page = (await kazoo.get(f"recordings?{window}&page_size=10&start_key={following}")).document
    assert page["data"] == whole[11:21]


async def test_without_a_window_the_last_month_is_meant() -> None:
    """Asked for nothing, only recordings saved in the last 31 days are listed; with created_to alone, those before."""
    anchor = datetime.now(UTC) - timedelta(days=20)
    async with visit_kazoo(anchor=anchor, kazoo=KazooOptions(straddlers=0)) as kazoo:
        bare = (await kazoo.get("recordings")).document["data"]
        earlier = (await kazoo.get(f"recordings?created_to={gregorian(anchor) - 40 * DAY}")).document["data"]
        assert 5 < len(bare) < 15
        assert len(earlier) > 20
        assert not {row["id"] for row in bare} & {row["id"] for row in earlier}


@pytest.mark.parametrize(
    ("first", "last"),
    [(NOW - LONGEST_S - 1, NOW), (NOW, NOW - 1), (1_780_000_000, NOW)],
)
async def test_windows_out_of_range_answer_400(kazoo: KazooGuest, first: int, last: int) -> None:
    """A window of more than 31 days and an hour, or one that ends before it begins, is refused by its rule."""
    answer = await kazoo.get(f"recordings?created_from={first}&created_to={last}")
    rule = answer.document["data"]["created_from"]["date_range"]
    assert (answer.status, answer.document["error"], set(rule)) == (400, "400", {"message", "cause"})
    assert (await kazoo.get(f"recordings?created_from={NOW - LONGEST_S}&created_to={NOW}")).status == 200


@pytest.mark.parametrize("query", ["created_from=1779000000&created_to=1780000000", "created_to=1780000000"])
async def test_unix_times_find_nothing(kazoo: KazooGuest, query: str) -> None:
    """D5: seconds since 1970 lie in antiquity here: 200, no rows, no keys."""
    page = (await kazoo.get(f"recordings?{query}")).document
    assert (page["status"], page["data"], page["page_size"]) == ("success", [], 0)
    assert not {"start_key", "next_start_key"} & set(page)


async def test_what_is_no_number_is_no_window(kazoo: KazooGuest) -> None:
    """A created_from that is no integer counts as not given."""
    assert (await kazoo.get(f"recordings?created_from=soon&created_to={NOW}")).document["data"]


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("page_size=0", 404, "faulty_request"),
        ("page_size=many", 404, "faulty_request"),
        ("page_size=1001", 416, "range not satisfiable"),
        ("start_key=%21", 400, "validation error"),
        ("start_key=WzFd", 400, "validation error"),
    ],
)
async def test_pages_that_cannot_be_had(kazoo: KazooGuest, query: str, status: int, message: str) -> None:
    """A size that is none answers 404, one above the memory's limit 416, a key of no known form 400."""
    answer = await kazoo.get(f"recordings?{query}")
    assert (answer.status, answer.document["message"]) == (status, message)


async def test_everything_at_once_can_be_too_much() -> None:
    """Without pages an answer of more rows than there is memory for is refused."""
    async with visit_kazoo(kazoo=KazooOptions(most_rows=10)) as kazoo:
        answer = await kazoo.get(f"recordings?created_to={NOW}&paginate=false")
        assert (answer.status, answer.document["error"]) == (416, "416")


async def test_a_users_listing_is_a_filter(kazoo: KazooGuest) -> None:
    """The account's listing holds the users' recordings and some of nobody; a stranger has no listing."""
    rows = await kazoo.rows(NOW - 31 * DAY, NOW)
    owners = {row["owner_id"] for row in rows if "owner_id" in row}
    assert len(owners) == 2
    for owner in owners:
        own = await kazoo.rows(NOW - 31 * DAY, NOW, "page_size=3", f"users/{owner}/recordings")
        assert own == [row for row in rows if row.get("owner_id") == owner]
    assert any("owner_id" not in row for row in rows)
    assert (await kazoo.get(f"users/{'0' * 32}/recordings")).status == 404


async def test_a_hidden_straddler_needs_a_window_over_both_months(kazoo: KazooGuest) -> None:
    """D1: kept in month N under a time of N+1, it is in neither month's window, only in one that spans the change."""
    before, after = await kazoo.rows(TURN - 20 * DAY, TURN - 1), await kazoo.rows(TURN, TURN + 20 * DAY)
    spanning = await kazoo.rows(TURN - DAY, TURN + DAY)
    aligned = {row["id"] for row in before + after}
    hidden = [row for row in spanning if row["id"] not in aligned]
    assert len(hidden) == 1
    assert hidden[0]["id"].startswith("202604")
    assert hidden[0]["start"] < TURN
    assert (await kazoo.media(hidden[0]["id"])).status == 200


async def test_a_lost_straddler_is_listed_and_cannot_be_fetched(kazoo: KazooGuest) -> None:
    """Kept in month N+1 under an id of N, it is listed there; document and media answer 404 with a cause, for ever."""
    lost = [row for row in await kazoo.rows(TURN, TURN + 20 * DAY) if row["id"].startswith("202604")]
    assert len(lost) == 1
    for answer in (await kazoo.get(f"recordings/{lost[0]['id']}"), await kazoo.media(lost[0]["id"])):
        assert (answer.status, answer.document["message"]) == (404, "bad_identifier")
        assert set(answer.document["data"]) == {"message", "cause"}
    unretrievable = [name for name, entry in kazoo.ledger["recordings"].items() if not entry["retrievable"]]
    assert lost[0]["id"] in unretrievable
    assert len(unretrievable) == 2


async def test_straddlers_can_be_left_out() -> None:
    """Without straddlers everything that is listed can be fetched, and months may be asked for one by one."""
    async with visit_kazoo(kazoo=KazooOptions(straddlers=0)) as kazoo:
        assert all(entry["retrievable"] for entry in kazoo.ledger["recordings"].values())
        rows = await kazoo.rows(TURN, NOW, "page_size=100")
        assert rows
        assert all(row["id"].startswith("202605") for row in rows)


async def test_rows_are_saved_after_they_end() -> None:
    """D5: start is Gregorian and lies before the hidden time of saving, by the length and a few seconds."""
    async with visit_kazoo(recordings=12, kazoo=KazooOptions(straddlers=0)) as kazoo:
        for row in await everything(kazoo):
            seconds = row["duration"] + 1
            assert row not in await kazoo.rows(row["start"] - DAY, row["start"])
            assert row in await kazoo.rows(row["start"], row["start"] + seconds + 5)
            assert "created" not in row


async def test_documents_vary(kazoo: KazooGuest) -> None:
    """Types come with and without a dot, lengths with and without milliseconds, texts are empty or missing."""
    rows = await everything(kazoo)
    assert {row["media_type"] for row in rows} == {"mp3", ".mp3", "wav", ".wav"}
    assert {row["content_type"] for row in rows} == {"audio/mpeg", "audio/wav"}
    assert all(row["duration"] == row["duration_ms"] // 1000 for row in rows if "duration_ms" in row)
    for field in ("duration_ms", "url", "origin", "caller_id_name", "interaction_id"):
        assert {field in row for row in rows} == {True, False}
    assert {"", "inbound", "outbound"} == {row["direction"] for row in rows}
    assert any("../" in row["name"] for row in rows)


async def test_some_addresses_hold_secrets(kazoo: KazooGuest) -> None:
    """S5: the storage's address in a document carries a password and a signature."""
    urls = [row["url"] for row in await everything(kazoo) if "url" in row]
    assert all("archive:" in url and "signature=" in url for url in urls)


async def test_retrieve_answers_the_document(kazoo: KazooGuest) -> None:
    """Without an Accept that means audio the row is answered, alone or as a list of one, without _read_only."""
    shapes = set()
    for row in await kazoo.rows(TURN + DAY, NOW):
        data = (await kazoo.get(f"recordings/{row['id']}")).document["data"]
        found = data[0] if isinstance(data, list) else data
        shapes.add(type(data))
        assert {**found, "_read_only": row["_read_only"]} == row
    assert shapes == {list, dict}


@pytest.mark.parametrize("reason", ["datastore_fault", "datastore_missing_view", "datastore_missing"])
async def test_failures_come_on_order(kazoo: KazooGuest, reason: str) -> None:
    """answer_503 makes the next requests fail for a reason, which a listing may tell in its own way."""
    await kazoo.control({"answer_503": [reason, reason]})
    listed, shown = await kazoo.get("recordings"), await kazoo.get("recordings/x")
    is_fatal = reason == "datastore_missing_view"
    assert (listed.status, shown.status, (await kazoo.get("recordings")).status) == (503, 503, 200)
    assert listed.document["status"] == ("fatal" if is_fatal else "error")
    assert listed.document["message"] == (reason.replace("_", " ") if is_fatal else reason)
    assert (shown.document["message"], "cause" in shown.document["data"]) == (reason, True)


async def test_unknown_failures_are_refused(kazoo: KazooGuest) -> None:
    """A reason that nobody knows is refused with those that there are."""
    answer = await kazoo.control({"answer_503": ["flood"]})
    assert (answer.status, "datastore_unreachable" in answer.document["error"]) == (400, True)


async def test_patch_is_not_allowed(kazoo: KazooGuest) -> None:
    """Open-source versions answer 405 to PATCH, in the envelope."""
    row = (await kazoo.rows(NOW - 5 * DAY, NOW))[0]
    url = f"{kazoo.base_url}/accounts/{kazoo.account['account_id']}/recordings/{row['id']}"
    answer = await kazoo.ask("PATCH", url, kazoo.credentials, json={"data": {"user_metadata": {}}})
    assert (answer.status, answer.document["error"]) == (405, "405")
