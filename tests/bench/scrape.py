"""``python -m tests.bench.scrape [RECORDINGS]``: what scrapes, probes and the page cost over a large catalog.

Ten million recordings in four accounts unless told otherwise, with backlog, damage, suspects, a day of downloads and a
year of walks, in a private PostgreSQL. Each question of the endpoint is asked twenty times, without its cache.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from archiver.app.ops.glance import DAY, MOST_TROUBLED, MOST_WAITING
from archiver.catalog.embedded import embedded_server
from archiver.catalog.migrate import migrate
from archiver.catalog.pool import open_connection
from archiver.catalog.postgres import Catalog, connect
from archiver.model.account import AccountName

ACCOUNTS: Final = 4
ASKED: Final = 20
BATCH: Final = 250_000
PATIENCE: Final = timedelta(minutes=30)
_HASTE: Final = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "8GB", "shared_buffers": "512MB"}

_RECORDINGS: Final = """
INSERT INTO recordings (account_id, recording_id, listing, started_at, expires_at, duration, direction, from_number,
    to_number, is_ready, document, redacted, fingerprint, state, suspect, first_seen_at, key, format, size_bytes,
    sha256, storage_url, stored_at, verified_at, verified_by, attempts)
SELECT account, 'recording-' || n, 'recordings', at, at + interval '30 days', '1 minute', 'inbound', '+14155550100',
    '+14155550101', true, '{"recording_type": "normal", "recording_format": "mp3"}', '{}', sha256('document'), state,
    CASE WHEN n % 20011 = 0 AND state = 'verified' THEN 'the audio is shorter than claimed' END, at,
    'key/' || n, 'mp3', 240000, sha256('audio'), 'file:///recordings', at, at, 'direct', 1
FROM (
    SELECT n, n % $3 + 1 AS account, now() - ($4 - n) * interval '1 year' / $4 AS at,
        CASE WHEN n > $4 - $4 / 200 THEN 'pending' WHEN n % 10007 = 0 THEN 'failed' WHEN n % 10009 = 0 THEN 'damaged'
             ELSE 'verified' END AS state
    FROM generate_series($1::bigint, $2::bigint) AS n
) AS made
"""
_EVENTS: Final = """
INSERT INTO events (recording, at, name, facts)
SELECT n, now() - n * interval '1 day' / 100000, 'stored', '{"size": 240000}' FROM generate_series(1, 100000) AS n
"""
_WALKS: Final = """
INSERT INTO walks (account_id, listing, kind, lease, started_at, ended_at)
SELECT n % $1 + 1, 'recordings', 'full', '1 minute', now() - n * interval '1 minute', now() - n * interval '1 minute'
FROM generate_series(1, 140000) AS n
"""


async def fill(dsn: str, count: int) -> None:
    """Make a catalog of ``count`` recordings."""
    async with connect(dsn, 1) as catalog:
        for number in range(ACCOUNTS):
            await catalog.enrol(AccountName(f"account-{number}"), "vobiz", f"MA_{number}")
    async with open_connection(dsn, PATIENCE) as connection:
        for first in range(1, count + 1, BATCH):
            last = min(first + BATCH - 1, count)
            await connection.execute(_RECORDINGS, first, last, ACCOUNTS, count)
            print(f"\r{last:,} recordings", end="", flush=True)
        await connection.execute(_EVENTS)
        await connection.execute(_WALKS, ACCOUNTS)
        await connection.execute("VACUUM ANALYZE")
        size = await connection.fetchval("SELECT pg_size_pretty(pg_database_size(current_database()))")
        print(f", {size}")


async def measure(name: str, ask: Callable[[], Awaitable[object]]) -> None:
    """Ask again and again, and say how long the answer takes."""
    took: list[float] = []
    for _ in range(ASKED):
        start = time.perf_counter()
        await ask()
        took.append(1000 * (time.perf_counter() - start))
    print(f"{name:<36} median {statistics.median(took):7.1f} ms   worst {max(took):7.1f} ms")


async def ask_all(catalog: Catalog) -> None:
    """Everything that the endpoint asks."""
    await measure("status: every probe and scrape", catalog.status)
    await measure("the most urgent of each account", lambda: catalog.waiting(MOST_WAITING))
    await measure("downloads by the hour, for the page", lambda: catalog.throughput(DAY))
    await measure("what is in trouble, for the page", lambda: catalog.troubled(MOST_TROUBLED))


async def main(count: int) -> None:
    """Fill a catalog and measure."""
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_server(Path(folder) / "catalog", _HASTE) as dsn:
            await migrate(dsn)
            await fill(dsn, count)
            async with connect(dsn, 2) as catalog:
                await ask_all(catalog)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000))
