"""Pages on their way into PostgreSQL: what the contract cannot see from outside."""

import asyncio
import json
from random import Random

import pytest

from archiver.catalog.pool import open_connection
from archiver.catalog.postgres import Catalog, connect
from archiver.catalog.queries import load
from archiver.model.errors import CatalogUnavailable, LeaseLost
from archiver.model.listing import Order, WalkId, WalkKind
from archiver.model.outcome import Failed, Retry, Stored, Wait
from archiver.model.recording import State
from archiver.ports.catalog import Query
from tests.builders import (
    ACCOUNT,
    make_listed,
    make_page,
    make_stored_object,
    make_walk_request,
)
from tests.contract.catalog.setting import HOUR, claim, make_rows, walk_all
from tests.integration.lossy import lossy_way


@pytest.fixture(autouse=True)
async def enrolled(catalog: Catalog) -> None:
    """Every test finds one account."""
    await catalog.enrol(ACCOUNT, "vobiz", "MA_1")


async def _begin(catalog: Catalog) -> WalkId:
    return (await catalog.begin_walk(make_walk_request())).id


async def _run(dsn: str, query: str) -> list[tuple[object, ...]]:
    async with open_connection(dsn) as connection:
        return [tuple(row) for row in await connection.fetch(query)]


async def test_unchanged_rows_are_not_touched(catalog: Catalog, catalog_dsn: str) -> None:
    """A walk over what is known writes no recording and locks none."""
    await walk_all(catalog, *make_rows(5))
    touched = "SELECT id, ctid::text, xmin::text, xmax::text FROM recordings ORDER BY id"
    before = await _run(catalog_dsn, touched)
    await walk_all(catalog, *make_rows(5))
    assert await _run(catalog_dsn, touched) == before


async def test_overlapping_pages_do_not_deadlock(catalog: Catalog, catalog_dsn: str) -> None:
    """Walks that list the same recordings at the same time, in any order, record each once and all succeed (O3, R5)."""
    random, rows = Random(7), list(make_rows(60))
    for document in ({"version": 1}, {"version": 2}):
        pages = [make_page(*random.sample(rows, 60), cursor=str(number)) for number in range(6)]
        pages = [*pages, make_page(*(make_listed(row.recording_id, document=document) for row in reversed(rows)))]
        walks = [await _begin(catalog) for _ in pages]
        await asyncio.gather(*(catalog.record(walk, page) for walk, page in zip(walks, pages, strict=True)))
    assert await _run(catalog_dsn, "SELECT count(*) FROM events WHERE name = 'recorded'") == [(60,)]


async def test_a_lost_answer_is_given_again(catalog: Catalog, catalog_dsn: str) -> None:
    """A page whose commit arrived while its answer got lost is answered the same when it is repeated (R4)."""
    async with lossy_way(catalog_dsn) as way, connect(way.dsn, 2) as far:
        walk = await _begin(far)
        page = make_page(*make_rows(3), cursor="2")
        way.loses_commits = True
        with pytest.raises(CatalogUnavailable):
            await far.record(walk, page)
        way.loses_commits = False
        recorded = await far.record(walk, page)
        assert (recorded.fresh, recorded.new, recorded.seen) == (3, 3, 3)
        assert (await far.record(walk, page)).fresh == 0
        report = await far.end_walk(walk, None)
    assert (report.pages, report.listed, report.new) == (1, 3, 3)


async def test_a_walk_forgotten_by_a_crash_begins_anew(catalog: Catalog, catalog_dsn: str) -> None:
    """A crash of the server empties what walks saw; an interrupted walk is not resumed then, but begun anew (D2)."""
    walk = await _begin(catalog)
    await catalog.record(walk, make_page(*make_rows(3), cursor="2"))
    await catalog.release_walk(walk)
    await _run(catalog_dsn, "TRUNCATE walk_seen")
    assert not (await catalog.begin_walk(make_walk_request())).is_resumed


async def test_a_walk_that_outlives_a_crash_notes_nothing(catalog: Catalog, catalog_dsn: str) -> None:
    """A walk that goes on over a crash of the server is incomplete, and what it saw before is not missing (D2)."""
    walk = await _begin(catalog)
    await catalog.record(walk, make_page(make_listed("r1"), cursor="2"))
    await _run(catalog_dsn, "TRUNCATE walk_seen")
    await catalog.record(walk, make_page(make_listed("r2")))
    report = await catalog.end_walk(walk, None)
    assert not report.is_complete
    assert await _run(catalog_dsn, "SELECT count(remote_missing_at) FROM recordings") == [(0,)]


async def test_walks_of_an_older_release_are_not_stood_on(catalog: Catalog, catalog_dsn: str) -> None:
    """A complete walk from before watermarks were kept says nothing: the next one is a full one (D4)."""
    await walk_all(catalog)
    await _run(catalog_dsn, "UPDATE walks SET watermark = NULL, proven_order = NULL")
    walk = await catalog.begin_walk(make_walk_request(kind=WalkKind.INCREMENTAL))
    assert (walk.kind, walk.order) == (WalkKind.FULL, Order.NONE)


_MANY_WALKS = """
INSERT INTO walks (account_id, listing, kind, lease, started_at, ended_at, doubt, watermark, proven_order)
SELECT 1, 'l' || n % 3, CASE WHEN n % 100 = 0 THEN 'full' ELSE 'incremental' END, '1 minute', at, at,
       CASE WHEN n > 49000 THEN 'the cursor loops' END, at, CASE WHEN n % 100 = 0 THEN 'newest_first' END
FROM generate_series(1, 50000) AS n, LATERAL (SELECT now() - interval '1 hour' + n * interval '1 ms' AS at) AS at
"""


@pytest.mark.parametrize(
    ("file", "name", "arguments"), [("intake", "stand", (1, "l0", None)), ("view", "listings", ())]
)
async def test_years_of_walks_cost_nothing(
    catalog: Catalog, catalog_dsn: str, file: str, name: str, arguments: tuple[object, ...]
) -> None:
    """What a walk stands on, and what status says of listings, is found by index, however many walks there were."""
    await _run(catalog_dsn, _MANY_WALKS)
    async with open_connection(catalog_dsn) as connection:
        await connection.execute("VACUUM ANALYZE walks")
        explained = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {load(file)[name]}", *arguments)
    (plan,) = explained if isinstance(explained, list) else json.loads(explained)
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 300


async def test_an_ended_walk_takes_no_page(catalog: Catalog) -> None:
    """Who comes back to a walk that another process ended has lost it (R5)."""
    walk = await _begin(catalog)
    await catalog.end_walk(walk, None)
    with pytest.raises(LeaseLost):
        await catalog.record(walk, make_page(make_listed()))


async def test_seen_rows_are_forgotten(catalog: Catalog, catalog_dsn: str) -> None:
    """What a walk saw is removed an hour after its end, by a later walk; its count stays (P5)."""
    report = await walk_all(catalog, *make_rows(3))
    await _run(catalog_dsn, "UPDATE walks SET ended_at = ended_at - interval '2 hours'")
    await _begin(catalog)
    assert await _run(catalog_dsn, "SELECT count(*) FROM walk_seen") == [(0,)]
    assert await catalog.walked([report.id]) == 3


@pytest.mark.parametrize("recording_id", ["", "a\x00b", "\ud800", "x" * 5000])
async def test_an_unusable_id_is_quarantined(catalog: Catalog, recording_id: str) -> None:
    """An id that cannot be kept exactly spoils no page: its row is malformed, the others are recorded (D6)."""
    walk = await _begin(catalog)
    bad = make_listed(recording_id, document={"id": "bad"})
    recorded = await catalog.record(walk, make_page(bad, make_listed("r1")))
    assert (recorded.new, recorded.seen) == (1, 2)
    (status,) = await catalog.status()
    assert status.quarantined == 1


async def test_claims_beyond_measure_are_recorded(catalog: Catalog) -> None:
    """Numbers that no column holds and no JSON knows cost nothing but themselves (D6)."""
    document = {"ratio": float("nan"), "huge": 10**40, "deep": [float("inf")]}
    await walk_all(catalog, make_listed(claimed_size=10**30, document=document, fingerprint=b"f"))
    (found,) = await catalog.lookup("r1", ACCOUNT)
    assert found.listed.claimed_size is None
    assert found.listed.document == {"ratio": None, "huge": 10**40, "deep": [None]}


async def test_what_is_being_fetched_is_not_excluded(catalog: Catalog) -> None:
    """A filter's verdict waits until the lease ends: an outcome never meets a state that it cannot follow."""
    await walk_all(catalog, make_listed())
    (held,) = await claim(catalog)
    walk = await _begin(catalog)
    await catalog.record(walk, make_page(make_listed(), excluded=["r1"]))
    assert await catalog.settle([Stored(held, make_stored_object())]) == frozenset()
    assert [found.state async for found in catalog.find(Query())] == [State.STORED]


async def test_the_ready_are_due(catalog: Catalog) -> None:
    """A recording that its listing now shows as ready waits no longer (B5)."""
    await walk_all(catalog, make_listed(is_ready=False))
    started_at = await catalog.now()
    (held,) = await claim(catalog, pass_started_at=started_at)
    await catalog.settle([Wait(held, "no media", HOUR)])
    assert not await claim(catalog, pass_started_at=started_at)
    await walk_all(catalog, make_listed(is_ready=True))
    assert [held.listed.is_ready for held in await claim(catalog, pass_started_at=started_at)] == [True]


async def test_counts_add_up(catalog: Catalog, catalog_dsn: str) -> None:
    """After any number of writers at once, and before and after folding, the states sum to the rows (T5)."""
    await walk_all(catalog, *make_rows(90))
    started_at = await catalog.now()

    async def work(number: int) -> None:
        claims = await claim(catalog, pass_started_at=started_at, limit=15)
        for held in claims:
            outcomes = (Stored(held, make_stored_object()), Failed(held, "402"), Retry(held, "503", HOUR))
            await catalog.settle([outcomes[(held.row + number) % 3]])

    await asyncio.gather(*(work(number) for number in range(6)))
    counted = await _run(catalog_dsn, "SELECT state, count(*) FROM recordings GROUP BY state ORDER BY state")
    for _ in range(2):
        (status,) = await catalog.status()
        assert sorted((state, rows) for state, rows in status.states.items() if rows) == counted
        assert status.stored_bytes == status.states[State.STORED] * make_stored_object().size_bytes
        await _begin(catalog)
    assert len(await _run(catalog_dsn, "SELECT FROM state_deltas")) == len(counted)
