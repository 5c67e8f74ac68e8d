"""The plans of what must stay cheap, at a million recordings."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from archiver.catalog.migrate import migrate
from archiver.catalog.pool import Connection, open_connection
from archiver.catalog.queries import load
from archiver.model.recording import LeaseId

COUNT = 1_000_000
WAITING, LEASED = 2_000, 500
LEASE = timedelta(minutes=1)
_NEVER = datetime.min.replace(tzinfo=UTC)

_FILL = f"""
ALTER TABLE recordings SET UNLOGGED;
ALTER TABLE recordings DISABLE TRIGGER USER;
ALTER TABLE recordings DROP CONSTRAINT recordings_account_id_recording_id_key;
DROP INDEX recordings_newest;
INSERT INTO accounts (name, provider, real_id) VALUES ('acme', 'vobiz', 'MA_1');
INSERT INTO recordings (account_id, recording_id, listing, started_at, expires_at, is_ready, document, redacted,
                        fingerprint, state, key, format, size_bytes, sha256, storage_url, stored_at,
                        pass_at, pass_attempts, next_attempt_at, lease_until)
SELECT 1, 'r' || n, 'recordings', at, at + interval '30 days', true, '{{}}', '{{}}', '',
       CASE WHEN n % 2 = 0 THEN 'verified' ELSE 'pending' END, 'k', 'mp3', 1, sha256(''), 'u', now(),
       CASE WHEN n < {WAITING} THEN now() END, 1, CASE WHEN n < {WAITING} THEN now() + interval '1 hour' END,
       CASE WHEN n BETWEEN {WAITING} AND {WAITING + LEASED} THEN now() + interval '1 hour' END
FROM generate_series(1, {COUNT}) AS n, LATERAL (SELECT timestamptz '2026-01-01' + n * interval '1 second' AS at) AS at;
"""


@pytest.fixture
async def connection(empty_dsn: str) -> AsyncIterator[Connection]:
    """A million recordings, half of them done; the head of the claim order waits or is leased. Never analysed."""
    await migrate(empty_dsn)
    async with open_connection(empty_dsn, timedelta(minutes=1)) as opened:
        await opened.execute(_FILL)
        yield opened


async def _explain(connection: Connection, query: str, *arguments: object) -> tuple[str, int]:
    """The plan as it ran, and how many pages it touched."""
    rows = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {query}", *arguments)
    plan = "\n".join(row[0] for row in rows)
    touched = re.search(r"Buffers: ([^\n]*)", plan)
    assert touched
    return plan, sum(int(pages) for pages in re.findall(r"(?:hit|read)=(\d+)", touched[1]))


async def test_work_is_found_by_index(connection: Connection) -> None:
    """Claims, renewals and what status shows as urgent read a few pages, however many recordings there are.

    A plan that is kept must be as good as one that is made for its arguments.
    """
    work, long_ago = load("work"), datetime(2026, 1, 1, tzinfo=UTC)
    for mode in ("force_custom_plan", "force_generic_plan"):
        await connection.execute(f"SET plan_cache_mode = {mode}")
        plan, pages = await _explain(connection, work["claim"], "acme", 4, LEASE, long_ago, 5, None, None, False, 8)
        assert "Index Scan using recordings_claim" in plan
        assert pages < 300
        for name, arguments in (("renew", (LEASE,)), ("living", ()), ("lock_claims", ())):
            plan, pages = await _explain(connection, work[name], [LeaseId(UUID(int=7 << 64))], *arguments)
            assert "recordings_pkey" in plan
            assert pages < 20
    place = (datetime.now(UTC), _NEVER, 0)
    plan, pages = await _explain(connection, load("custody")["claim_kept"], "acme", None, *place, 4, LEASE)
    assert "recordings_kept" in plan
    assert pages < 100
    plan, pages = await _explain(connection, load("view")["accounts"])
    assert "recordings_unarchived" in plan
    assert "recordings_claim" in plan
    assert pages < 50
