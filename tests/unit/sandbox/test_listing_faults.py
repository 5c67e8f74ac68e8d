"""Faults of listings over real sockets: cursors, totals, rows, and a provider that changes while it is read."""

from typing import Any

import pytest

from archiver.sandbox.faults.rows import ROWS
from archiver.sandbox.kazoo_months import gregorian
from archiver.sandbox.wire import peek
from tests.unit.sandbox.guests import visit_kazoo, visit_vbc
from tests.unit.sandbox.visitor import ANCHOR, Visitor, visit

COMPANY = "accounts/self/company_call_recordings"
WINDOW = f"created_from={gregorian(ANCHOR) - 28 * 86400}&created_to={gregorian(ANCHOR)}"


def ids(page: Any) -> list[str]:
    """The ids on a page of Vobiz."""
    return [row["recording_id"] for row in page["objects"]]


async def first_two(visitor: Visitor) -> tuple[list[str], list[str]]:
    """The first two pages of ten."""
    return ids(await visitor.page("limit=10")), ids(await visitor.page("limit=10&offset=10"))


async def test_a_cursor_loops() -> None:
    """D2: every page names a next one, and it is one that was read."""
    async with visit(faults=("loop",)) as visitor:
        first = await visitor.page("limit=10&offset=50")
        again = await visitor.page(first["meta"]["next"].partition("?")[2])
        assert first["meta"]["next"] == again["meta"]["next"]
    async with visit_kazoo(faults=("loop",)) as kazoo:
        page = (await kazoo.get(f"recordings?{WINDOW}&page_size=5")).document
        again = (await kazoo.get(f"recordings?{WINDOW}&page_size=5&start_key={page['next_start_key']}")).document
    assert (again["data"], again["next_start_key"]) == (page["data"], page["next_start_key"])


async def test_an_empty_page_names_a_next() -> None:
    """D2: no rows and more to come, at every provider; asked for again, the page is full."""
    order = ("empty_page:share=1",)
    async with visit(faults=order) as visitor:
        pages = [await visitor.page("limit=10") for _ in range(2)]
        assert [(len(page["objects"]), bool(page["meta"]["next"])) for page in pages] == [(0, True), (10, True)]
    async with visit_vbc(faults=order) as vbc:
        page = (await vbc.get(f"{COMPANY}?page_size=10")).document
        assert (page["_embedded"]["recordings"], "next" in page["_links"]) == ([], True)
    async with visit_kazoo(faults=order) as kazoo:
        page = (await kazoo.get(f"recordings?{WINDOW}&page_size=5")).document
    assert (page["data"], bool(page["next_start_key"])) == ([], True)


async def test_a_last_page_is_not_emptied() -> None:
    """D2: a page without a next one keeps its rows, and the fault is not used up."""
    async with visit(faults=("empty_page:share=1",)) as visitor:
        assert len(await visitor.page("limit=50&offset=50")) > 0
        assert visitor.ledger["faults"] == {}


@pytest.mark.parametrize("by", [5, -5])
async def test_a_total_lies(by: int) -> None:
    """D1, D2: the listing claims more or fewer rows than it gives."""
    async with visit(faults=(f"wrong_total:by={by}",)) as visitor:
        assert (await visitor.page())["meta"]["total_count"] == 60 + by
    async with visit_vbc(faults=(f"wrong_total:by={by}",)) as vbc:
        assert (await vbc.get(COMPANY)).document["total_items"] == 36 + by


async def test_an_envelope_is_unknown() -> None:
    """D2: the rows are there, where nobody looks for them."""
    async with visit(faults=("strange_envelope:times=1",)) as visitor:
        assert "objects" not in await visitor.page()
        assert "objects" in await visitor.page()


async def test_positions_are_ignored() -> None:
    """D2: whatever offset, page or key is asked for, the first page comes."""
    async with visit(faults=("ignored_offset",)) as visitor:
        first, second = await first_two(visitor)
        assert first == second
    async with visit_vbc(faults=("ignored_offset",)) as vbc:
        pages = [(await vbc.get(f"{COMPANY}?page_size=10{page}")).document for page in ("", "&page=3")]
        assert pages[0] == pages[1]


@pytest.mark.parametrize(("order", "shift"), [("vanish:after=1", 1), ("arrive:after=1,count=2", -2)])
async def test_rows_move_between_pages(order: str, shift: int) -> None:
    """D1: after a delete the second page begins a row too late, after an insert it repeats rows."""
    async with visit() as visitor:
        names = ids(await visitor.page("limit=50"))
        await visitor.control({"faults": [order]})
        first, second = await first_two(visitor)
        ledger = visitor.ledger
    assert first == names[:10]
    assert second == names[10 + shift : 20 + shift]
    deleted = [name for name, entry in ledger["recordings"].items() if entry["deleted_at"]]
    assert deleted == names[: max(0, shift)]


async def test_rows_come_late_under_their_old_times() -> None:
    """D3: rows are missing from the first pages, and are then where they always belonged."""
    async with visit() as visitor:
        names = ids(await visitor.page("limit=50"))
        await visitor.control({"faults": ["late:count=5,pages=2"]})
        pages = [ids(await visitor.page("limit=50")) for _ in range(3)]
    assert len(set(names) - set(pages[0])) > 1
    assert pages[1] == pages[0]
    assert pages[2] == names


async def test_faults_that_end_bring_everything_back() -> None:
    """O5: what was held back is listed again once the faults are cleared."""
    async with visit(faults=("late:count=5,pages=99",)) as visitor:
        assert len(await visitor.rows()) == 55
        await visitor.control({"clear_faults": True})
        assert len(await visitor.rows()) == 60


@pytest.mark.parametrize("way", ["fault", "control"])
async def test_an_account_turns_empty(way: str) -> None:
    """D2, X3: the listing is empty under 200 and nothing is found; the ledger still knows every recording."""
    async with visit() as visitor:
        row = (await visitor.rows())[0]
        await visitor.control({"faults": ["empty_account"]} if way == "fault" else {"empty": True})
        page = await visitor.page()
        gone = await visitor.get(row["recording_url"])
        entries = visitor.ledger["recordings"].values()
        assert (page["objects"], page["meta"]["total_count"], gone.status) == ([], 0, 404)
        assert {(entry["present"], entry["deleted_at"]) for entry in entries} == {(False, None)}
        await visitor.control({"clear_faults": True} if way == "fault" else {"empty": False})
        assert (len(entries), len(await visitor.rows())) == (60, 60)


async def test_every_listing_of_an_account_turns_empty() -> None:
    """D2: at VBC the company's and the users' rows are gone, and come back."""
    async with visit_vbc() as vbc:
        await vbc.control({"empty": True})
        assert (await vbc.rows(), await vbc.rows("users/self/call_recordings")) == ([], [])
        await vbc.control({"empty": False})
        assert len(await vbc.rows()) == 36


@pytest.mark.parametrize("kind", ROWS[0].parameters[0].choices)
async def test_single_rows_are_malformed(kind: str) -> None:
    """D6: some rows cannot be used, the others are as they should be, and the total counts all."""
    async with visit() as visitor:
        plain = (await visitor.page("limit=50"))["objects"]
        await visitor.control({"faults": [f"malformed_row:share=0.3,kind={kind}"]})
        page = await visitor.page("limit=50")
        struck = visitor.ledger["faults"]["malformed_row"]
    same = [row for row in page["objects"] if row in plain]
    assert (len(page["objects"]), page["meta"]["total_count"]) == (50, 60)
    assert len(same) == 50 - struck
    assert 3 < struck < 27


async def test_rows_come_twice() -> None:
    """O3: a page lists recordings twice."""
    async with visit(faults=("repeated_row:share=0.3",)) as visitor:
        names = ids(await visitor.page("limit=50"))
    assert (len(set(names)), len(names) > 50) == (50, True)


@pytest.mark.parametrize("kind", ROWS[-1].parameters[0].choices)
async def test_names_are_hostile(kind: str) -> None:
    """S3: file names, and with another fault ids, hold paths, control characters or 400 letters."""
    async with visit_vbc(faults=(f"hostile_name:share=1,kind={kind}",)) as vbc:
        names = [row["file_name"] for row in await vbc.rows()]
    async with visit(faults=(f"hostile_id:share=1,kind={kind}",)) as visitor:
        page = ids(await visitor.page())
        known = list(visitor.ledger["recordings"])
    marks = ("../", "/etc/", "\x00", "x" * 400, "\u202e", ".archiver/")
    for name in [*names, *page]:
        assert any(mark in name for mark in marks)
    assert all(any(recording_id in name for recording_id in known) for name in page)


async def test_pages_are_struck_the_same_in_every_run() -> None:
    """Two sandboxes of one seed strike the same pages; a page that is asked for again is no other page."""
    seen = []
    for _ in range(2):
        async with visit(faults=("empty_page:share=0.5", "wrong_total:share=0.5,times=1")) as visitor:
            pages = [await visitor.page(f"limit=5&offset={5 * place}") for place in range(10) for _ in range(2)]
            seen.append([(len(page["objects"]), page["meta"]["total_count"]) for page in pages])
    assert seen[0] == seen[1]
    assert [set(values) for values in zip(*seen[0], strict=True)] == [{0, 5}, {60, 65}]
    assert all(after == (5, 60) for after in seen[0][1::2])


def test_a_path_may_lead_nowhere() -> None:
    """A document without what a fault looks for is left alone."""
    assert peek({"meta": None}, ("meta", "next")) is None


async def test_the_ledger_knows_what_was_really_listed() -> None:
    """O1: rows of a page that came as an error, empty or malformed do not count as listed."""
    for order in ("html:share=1,on=list,typed=true", "empty_page:share=1", "malformed_row:share=1,kind=no_id"):
        async with visit(faults=(order,)) as visitor:
            await visitor.get(f"{visitor.listing_url}?limit=10")
            assert sum(entry["listed"] for entry in visitor.ledger["recordings"].values()) == 0
            await visitor.page("limit=10")
            assert sum(entry["listed"] for entry in visitor.ledger["recordings"].values()) == 10


async def test_an_empty_account_stays_empty() -> None:
    """D2: neither what arrives late nor what is added shows up before everything comes back."""
    async with visit(late_arrivals=5) as visitor:
        await visitor.control({"empty": True})
        await visitor.control({"add": 2})
        assert [len((await visitor.page())["objects"]) for _ in range(5)] == [0] * 5
        await visitor.control({"empty": False})
        assert len(await visitor.rows()) == 62


async def test_a_listing_that_is_none_is_left_alone() -> None:
    """D7: what happens between pages happens in no listing of a user whom nobody knows."""
    async with visit_vbc(faults=("late", "vanish", "arrive", "empty_account")) as vbc:
        assert (await vbc.get("accounts/self/users/1/call_recordings")).status == 404
        assert vbc.ledger["faults"] == {}
