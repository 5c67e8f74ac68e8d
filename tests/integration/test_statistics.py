"""The figures of the status page: right, and read by index however much was stored before."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from archiver.catalog.pool import Connection, open_connection
from archiver.catalog.postgres import Catalog
from archiver.catalog.queries import load
from archiver.model.recording import Reason, State
from tests.builders import ACCOUNT

DAY = timedelta(hours=23)
WITHIN = timedelta(minutes=1)
_MODES = ("force_custom_plan", "force_generic_plan")

_HISTORY = """
INSERT INTO events (recording, name, at, facts)
SELECT n, CASE WHEN n % 3 = 0 THEN 'verified' ELSE 'stored' END,
       CASE WHEN n <= 200000 THEN now() - interval '40 days' ELSE date_trunc('hour', now(), 'UTC') END,
       '{"size": 10}'
FROM generate_series(1, 200030) AS n
"""
_TROUBLED = """
INSERT INTO recordings (account_id, recording_id, listing, started_at, is_ready, document, redacted, fingerprint, state,
                        suspect, error, key, format, size_bytes, sha256, storage_url, stored_at)
SELECT 1, 'r' || n, 'recordings', timestamptz '2026-01-01' + n * interval '1 s', true, '{}', '{}', '',
       CASE n % 3 WHEN 0 THEN 'failed' WHEN 1 THEN 'damaged' ELSE 'stored' END,
       CASE WHEN n % 3 = 2 THEN 'short' END, 'refused', 'k' || n, 'mp3', 1, sha256(''), 'u', now()
FROM generate_series(1, 30000) AS n
"""

_WAITING = """
INSERT INTO recordings (account_id, recording_id, listing, started_at, expires_at, is_ready, document, redacted,
                        fingerprint, state, reason, error, attempts)
SELECT 1, 'r' || n, 'recordings', now(), CASE WHEN n > 9 THEN timestamptz '2026-01-01Z' - n * interval '1 s' END, true,
       '{}', '{}', '', 'pending', 'retry', 'refused', 3
FROM generate_series(1, 30000) AS n
"""


async def _explain(connection: Connection, mode: str, name: str, argument: object) -> tuple[str, int]:
    """The plan as it ran, and how many pages it touched."""
    await connection.execute(f"SET plan_cache_mode = {mode}")
    query = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {load('statistics')[name]}"
    plan = "\n".join(row[0] for row in await connection.fetch(query, argument))
    touched = re.search(r"Buffers: ([^\n]*)", plan)
    assert touched
    return plan, sum(int(pages) for pages in re.findall(r"(?:hit|read)=(\d+)", touched[1]))


async def test_the_most_urgent_are_found_by_index(catalog: Catalog, catalog_dsn: str) -> None:
    """T4: of thousands that wait the first to expire are shown with their errors, those that never do last, and no more
    are read."""
    await catalog.enrol(ACCOUNT, "vobiz", "MA_1")
    async with open_connection(catalog_dsn, WITHIN) as connection:
        await connection.execute(_WAITING)
        plans = [await _explain(connection, mode, "waiting", 2) for mode in _MODES]
    for plan, pages in plans:
        assert "recordings_claim" in plan
        assert pages < 100
    found = await catalog.waiting(2)
    assert [(one.recording_id, one.reason, one.error, one.attempts) for one in found] == [
        ("r30000", Reason.RETRY, "refused", 3),
        ("r29999", Reason.RETRY, "refused", 3),
    ]
    assert found[0].expires_at == datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=30_000)


async def test_throughput_is_of_the_last_day(catalog: Catalog, catalog_dsn: str) -> None:
    """T5: every hour of the window is there, with what was stored in it and no other event; what is older is not read,
    however much it is."""
    async with open_connection(catalog_dsn, WITHIN) as connection:
        await connection.execute(_HISTORY)
        plans = [await _explain(connection, mode, "throughput", DAY) for mode in _MODES]
    for plan, pages in plans:
        assert "events_stored" in plan
        assert pages < 100
    hours = await catalog.throughput(DAY)
    assert {later.begins_at - one.begins_at for one, later in pairwise(hours)} == {timedelta(hours=1)}
    assert hours[0].begins_at <= datetime.now(UTC) - DAY
    assert (sum(hour.count for hour in hours), sum(hour.bytes for hour in hours)) == (20, 200)


async def test_the_latest_troubled_are_found_by_index(catalog: Catalog, catalog_dsn: str) -> None:
    """Of thousands that failed, are damaged or suspect, the latest of each kind are shown, and no more are read."""
    await catalog.enrol(ACCOUNT, "vobiz", "MA_1")
    async with open_connection(catalog_dsn, WITHIN) as connection:
        await connection.execute(_TROUBLED)
        plans = [await _explain(connection, mode, "troubled", 2) for mode in _MODES]
    for plan, pages in plans:
        assert plan.count("recordings_troubled") == 2
        assert "recordings_suspect" in plan
        assert pages < 100
    found = await catalog.troubled(2)
    assert {(one.recording_id, one.state, one.is_suspect) for one in found} == {
        ("r30000", State.FAILED, False),
        ("r29997", State.FAILED, False),
        ("r29998", State.DAMAGED, False),
        ("r29995", State.DAMAGED, False),
        ("r29999", State.STORED, True),
        ("r29996", State.STORED, True),
    }
