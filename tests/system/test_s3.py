"""The installed command with a bucket for its storage, and everything that may go wrong on the way there.

Between the two stands a proxy, which counts what is asked and breaks what it is told to; rclone tells what lies there.
A command takes two seconds of a processor, most of them for its imports: each story here makes the most of its runs.
"""

import asyncio
import hashlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import pytest

from tests.servers.proxy import Kind, Strike
from tests.servers.s3 import S3Server, serve_rclone, serve_weed
from tests.system.bucket import Shop, shop_on
from tests.system.oracle import Row
from tests.system.stage import ACCOUNT, Stage, ended, staged

RECORDINGS = 20
OPTIONS = ("--recordings", str(RECORDINGS), "--audio-seconds", "1", "--late-arrivals", "0")
LARGE = ("--recordings", "1", "--audio-seconds", "4400", "--seed", "2", "--late-arrivals", "0")
"""One WAV of 70 MB: it goes up in five parts."""

TRANSFER = '[transfer]\nlease = "2s"\nbackoff = "1ms"\nmax_attempts = 12'
KILLED = -signal.SIGKILL
AUDIO = rf"/{ACCOUNT}/.*\.(mp3|wav)"
PAIRS = f"/{ACCOUNT}/"
PART, COMPLETE = PAIRS + ".*partNumber=", PAIRS + r".*\?uploadId="
"""Targets of requests; what the probe tries out is none of them."""

SWEPT = "GET .*uploads.*probe"
"""The last thing that a sweep asks for."""


@pytest.fixture(scope="session")
def weed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS, one for all tests of a worker."""
    with serve_weed(tmp_path_factory.mktemp("weed")) as server:
        yield server


@pytest.fixture(scope="session")
def weak_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """``rclone serve s3``: without conditions, without checksums."""
    with serve_rclone(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture
async def stage(tmp_path: Path, catalog_dsn: str) -> AsyncIterator[Stage]:
    """A sandbox with short recordings, leases that end soon, and hardly a pause after a fault."""
    async with staged(tmp_path, catalog_dsn, *OPTIONS) as one:
        one.amend(TRANSFER)
        yield one


@pytest.fixture
async def shop(stage: Stage, weed_server: S3Server) -> AsyncIterator[Shop]:
    """The same, archived into SeaweedFS."""
    async with shop_on(stage, weed_server) as one:
        yield one


@pytest.fixture
async def large_shop(tmp_path: Path, catalog_dsn: str, weed_server: S3Server) -> AsyncIterator[Shop]:
    """One long recording, archived into SeaweedFS."""
    async with staged(tmp_path, catalog_dsn, *LARGE) as stage, shop_on(stage, weed_server) as one:
        stage.amend(TRANSFER)
        yield one


async def kept(shop: Shop, count: int = RECORDINGS) -> list[Row]:
    """Everything is archived as the oracle wants it."""
    rows = await shop.consult()
    assert [row["state"] for row in rows] == ["verified"] * count
    return rows


async def killed(shop: Shop, *strikes: Strike) -> None:
    """A backfill is killed while a request stands still."""
    shop.proxy.strike(*strikes)
    process = await shop.stage.start("backfill")
    async with asyncio.timeout(shop.stage.within_s):
        await shop.proxy.held.wait()
    process.kill()
    assert (await ended(process)).code == KILLED
    shop.proxy.strike()


async def recovers(shop: Shop, count: int = RECORDINGS) -> None:
    """The next run brings everything home, and nothing of the dead is left."""
    await shop.backfill()
    await kept(shop, count)
    assert await leftovers(shop) == []


async def leftovers(shop: Shop) -> list[str]:
    """Spooled bodies, and uploads under way with their markers."""
    markers = [name for name in await shop.remote.names() if name.startswith(".archiver/parts/")]
    return [*shop.spooled(), *markers, *await shop.remote.uploads()]


async def rests(shop: Shop) -> None:
    """One more pass fetches nothing and writes nothing (O6)."""
    media, place = await shop.stage.media_requests(), len(shop.proxy.requests)
    await shop.backfill()
    assert await shop.stage.media_requests() == media
    assert shop.proxy.writes(place) == []
    assert await leftovers(shop) == []


async def test_a_bucket_is_archived_into(shop: Shop) -> None:
    """O1 to O6: every recording arrives once, is verified and can be had; a second pass does nothing."""
    await shop.backfill()
    rows = await kept(shop)
    assert await shop.stage.media_requests() == RECORDINGS
    await rests(shop)
    got, _ = await (await shop.stage.start("get", rows[0]["recording_id"])).communicate()
    assert hashlib.sha256(got).hexdigest() == rows[0]["sha256"]


async def test_a_weak_store_is_archived_into(stage: Stage, weak_server: S3Server) -> None:
    """O1 to O6 hold at a store that replaces silently and checks nothing, too."""
    async with shop_on(stage, weak_server) as shop:
        await shop.backfill()
        await kept(shop)
        await rests(shop)


async def test_bucket_and_directory_hold_the_same(shop: Shop, tmp_path: Path, empty_dsn: str) -> None:
    """Another client finds the very files in the bucket that the archiver puts into a directory."""
    local = Stage(folder=tmp_path / "local", ready=shop.stage.ready)
    local.folder.mkdir()
    lines = shop.stage.config.read_text().split("[storage.s3]")[0].splitlines()
    changed = {"dsn": f'dsn = "{empty_dsn}"', "url": 'url = "file:./var/recordings"'}
    local.config.write_text("\n".join(changed.get(line.split(" = ")[0], line) for line in lines))
    await shop.backfill()
    assert (await local.run("backfill")).code == 0
    same = ("check", str(local.storage), "there:", "--download", "--exclude=/.archiver/**")
    await shop.remote.rclone(*same, "--exclude=*.json")
    names = {name for name in await shop.remote.names() if not name.startswith(".archiver/")}
    assert names == {path.relative_to(local.storage).as_posix() for path in local.storage.glob(f"{ACCOUNT}/**/*.*")}


async def test_damage_is_named_and_healed(shop: Shop) -> None:
    """R6, O5: what flips on the wire is sound once it is read again; what changed or went in the bucket comes back."""
    await shop.backfill()
    place = len(shop.proxy.requests)
    shop.proxy.strike(Strike(kind=Kind.FLIP, method="GET", target=AUDIO, times=3))
    assert len((await shop.stage.run("verify", "--all", "--json")).json["damaged"]) == 3
    assert shop.proxy.writes(place) == []
    flipped, missing, *_ = [name for name in await shop.remote.names() if not name.endswith(".json")]
    body = await flip(shop, flipped)
    await shop.remote.rclone("deletefile", f"there:{missing}")
    answer = await shop.stage.run("verify", "--all", "--json")
    assert (answer.code, answer.json["ok"]) == (1, RECORDINGS - 2)
    assert answer.json["damaged"] == [f"{ACCOUNT}/{Path(flipped).stem}"]
    assert answer.json["missing"] == [f"{ACCOUNT}/{Path(missing).stem}"]
    await recovers(shop)
    assert await shop.stage.media_requests() == RECORDINGS + 2
    assert aside(shop) == {body}


async def flip(shop: Shop, name: str) -> bytes:
    """Flip a bit of an object, as somebody else; answers what lies there now."""
    body = bytearray(await shop.remote.rclone("cat", f"there:{name}"))
    body[len(body) // 2] ^= 1
    await shop.remote.put(name, bytes(body))
    return bytes(body)


def aside(shop: Shop) -> set[bytes]:
    """What was kept aside when the bucket was mirrored; each has its sidecar."""
    paths = {path for path in (shop.stage.storage / ".archiver" / "damaged").rglob("*") if path.is_file()}
    audio = {path for path in paths if path.suffix != ".json"}
    assert paths == audio | {Path(f"{path}.json") for path in audio}
    return {path.read_bytes() for path in audio}


async def test_a_suspect_is_replaced(shop: Shop) -> None:
    """B3: when the provider has the whole call at last, it takes the place of what was cut, which is kept aside."""
    await shop.stage.control(faults=["half:share=0.3,times=0"])
    assert (await shop.stage.run("backfill")).code == 1
    served = (await shop.stage.ledger())["recordings"].values()
    halves = {entry["served"][0]["sha256"] for entry in served} - {entry["sha256"] for entry in served}
    assert halves
    await shop.stage.control(clear_faults=True)
    await shop.backfill()
    assert not [row for row in await kept(shop) if row["suspect"]]
    assert {hashlib.sha256(body).hexdigest() for body in aside(shop)} == halves


async def test_kills_between_the_puts(shop: Shop) -> None:
    """R1, O4: killed before and after puts that chance chose, the next run completes what the dead began."""
    random = Random(3)
    for kind in (Kind.HELD_BEFORE, Kind.HELD_AFTER):
        await killed(shop, Strike(kind=kind, method="PUT", target=PAIRS, skip=random.randrange(12)))
    await shop.consult(is_done=False)
    await recovers(shop)


async def test_kills_during_uploads(large_shop: Shop) -> None:
    """R1: of uploads whose writer died among their parts, and at their very end, none is left."""
    await killed(large_shop, Strike(kind=Kind.HELD_BEFORE, method="PUT", target=PART, skip=Random(5).randrange(5)))
    assert await large_shop.remote.uploads()
    await killed(large_shop, Strike(kind=Kind.HELD_AFTER, method="POST", target=COMPLETE))
    await recovers(large_shop, 1)


async def test_a_living_upload_is_left_alone(large_shop: Shop) -> None:
    """R1, O5: whoever starts meanwhile sweeps nothing of it; what breaks is aborted and begun anew from the spool."""
    large_shop.proxy.strike(
        Strike(kind=Kind.HELD_BEFORE, method="PUT", target=PART, skip=1),
        Strike(kind=Kind.RESET, method="PUT", target=PART, skip=2),
        Strike(kind=Kind.BUSY, method="PUT", target=PART, skip=4),
        Strike(kind=Kind.LOST, method="POST", target=COMPLETE),
    )
    process = await large_shop.stage.start("backfill", "--json")
    async with asyncio.timeout(large_shop.stage.within_s):
        await large_shop.proxy.held.wait()
    under_way, place = set(await large_shop.remote.uploads()), len(large_shop.proxy.requests)
    other = await large_shop.stage.start("backfill", "--json")
    await large_shop.proxy.until(SWEPT, place)
    assert under_way & set(await large_shop.remote.uploads())
    large_shop.proxy.released.set()
    for answer in (await ended(process), await ended(other)):
        assert answer.code == 0, answer.stdout + answer.stderr
    await kept(large_shop, 1)
    assert await leftovers(large_shop) == []
    assert await large_shop.stage.media_requests() == 1


async def test_writes_fail(shop: Shop) -> None:
    """O5: a storage that is away for a moment is asked again with what is in the spool; no media is fetched twice."""
    kinds = (Kind.BUSY, Kind.RESET, Kind.LOST)
    shop.proxy.strike(*(Strike(kind=kind, method="PUT", target=PAIRS, times=16) for kind in kinds))
    await shop.backfill()
    await kept(shop)
    assert await shop.stage.media_requests() == RECORDINGS


async def test_reads_fail(shop: Shop) -> None:
    """O5, R6: copies that cannot be read are read again; a bit that flips on the way costs a download and no copy."""
    config = shop.stage.config.read_text()
    shop.stage.config.write_text(config.replace("[transfer]", '[transfer]\nidle_timeout = "1s"'))
    kinds = (Kind.BUSY, Kind.SHORT, Kind.LOST, Kind.STALL, Kind.FLIP)
    shop.proxy.strike(
        *(Strike(kind=kind, method="GET", target=AUDIO, times=2) for kind in kinds),
        Strike(kind=Kind.SLOW, method="GET", target=AUDIO, times=0),
    )
    await shop.backfill()
    await kept(shop)
    assert await shop.stage.media_requests() == RECORDINGS + 2
    assert aside(shop) == set()


async def test_a_storm_at_the_start(shop: Shop) -> None:
    """O5: a storage that is busy for its first requests is asked again before the run gives up."""
    shop.proxy.strike(Strike(kind=Kind.BUSY, times=3))
    await shop.backfill()
