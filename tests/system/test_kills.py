"""SIGKILL at chosen durable steps of the pipeline, of the process and of its server; afterwards the oracle holds (R1).

``make torture`` does the same for long, with chance in everything. Here a seed for each test chooses the step.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from subprocess import run

import pytest

from archiver.catalog.embedded import embedded_server
from archiver.catalog.migrate import load_migrations, migrate, migrations_folder
from archiver.catalog.pool import open_connection
from tests.system.mortal import KINDS, Death, count_steps, kill_server, run_mortal
from tests.system.oracle import OURS, consult, rests
from tests.system.stage import Stage, ended, staged

RECORDINGS = 12
OPTIONS = ("--recordings", str(RECORDINGS), "--audio-seconds", "1", "--page-cap", "5", "--late-arrivals", "0")
EMBEDDED = "embedded:./var/catalog"
HALF = "half:share=1,times=0"
KILLED = -signal.SIGKILL
DEATHS = (*((kind, "before") for kind in KINDS), ("link", "after"), ("commit", "after"))
"""After a step is before the next one; what makes a name or a row durable is tried from both sides all the same."""


@pytest.fixture
async def stage(tmp_path: Path, catalog_dsn: str) -> AsyncIterator[Stage]:
    """A sandbox with a dozen short recordings, and leases that end soon."""
    async with staged(tmp_path, catalog_dsn, *OPTIONS) as one:
        one.amend('[transfer]\nlease = "2s"\nbackoff = "1ms"')
        yield one


@pytest.fixture(scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private server's folder with an empty catalog, to be copied."""
    path = tmp_path_factory.mktemp("cluster") / "catalog"
    async with embedded_server(path) as dsn:
        await migrate(dsn)
    return path


@pytest.fixture(scope="module")
async def steps(cluster: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """How many durable steps of each kind a backfill makes."""
    folder = tmp_path_factory.mktemp("counted")
    copy(cluster, folder)
    async with staged(folder, EMBEDDED, *OPTIONS) as one:
        return await count_steps(one, "backfill")


@pytest.fixture
async def embedded(tmp_path: Path, cluster: Path) -> AsyncIterator[Stage]:
    """The same with a private server, and paced so that there is a middle."""
    copy(cluster, tmp_path)
    async with staged(tmp_path, EMBEDDED, *OPTIONS) as one:
        one.amend('[transfer]\nlease = "2s"\nbackoff = "50ms"', rate_limit='"20/s"')
        yield one
        kill_server(one)


def copy(cluster: Path, folder: Path) -> None:
    """Copy a private server's folder, with its owners, to where a stage has it."""
    (folder / "var").mkdir()
    run(["cp", "-a", cluster, folder / "var" / "catalog"], check=True)


async def recovers(stage: Stage) -> None:
    """The next run brings everything home, and the one after it has nothing to do."""
    again = await stage.run("backfill", "--json")
    assert again.code == 0, again.stdout + again.stderr
    assert len(await consult(stage)) == RECORDINGS
    assert (await rests(stage)).code == 0


async def dies(stage: Stage, death: Death, *words: str) -> None:
    """A command dies as it was told, and nothing false is left."""
    answer = await run_mortal(stage, death, *words)
    assert answer.code == KILLED, f"{death}: {answer.code} {answer.stderr}"
    await consult(stage, is_done=False)


@pytest.mark.parametrize("seed", range(3))
async def test_kills_at_durable_steps(stage: Stage, steps: dict[str, int], seed: int) -> None:
    """R1, O1 to O6: run after run is killed at some step, and the first that is not completes the work."""
    random = Random(seed)
    for kind, moment in DEATHS[seed::3]:
        await dies(stage, Death(kind, random.randint(1, steps[kind] // 4), moment), "backfill")
    await recovers(stage)


@pytest.mark.parametrize("is_alone", [True, False], ids=["server", "server and process"])
async def test_the_private_server_is_killed(embedded: Stage, *, is_alone: bool) -> None:
    """R1, R4: a killed server is started again and the run goes on; what dies with it is completed by the next run."""
    process = await embedded.start("backfill")
    await embedded.until_served(RECORDINGS // 3)
    kill_server(embedded)
    if not is_alone:
        process.kill()
    answer = await ended(process)
    if is_alone:  # a walk whose memory went with the server is incomplete, and that is exit code 1
        assert answer.code in {0, 1}, answer.stderr
        await consult(embedded)
    else:
        assert answer.code == KILLED
    await recovers(embedded)


async def damaged(stage: Stage, count: int) -> set[bytes]:
    """Archive everything, then flip a bit in some files and cut the others; answers what lies there now."""
    assert (await stage.run("backfill")).code == 0
    found = set()
    for row in (await stage.run("ls", "--json", "--limit", str(count))).lines:
        path: Path = stage.storage / row["key"]
        body = bytearray(path.read_bytes())
        body[len(body) // 2] ^= 1
        path.write_bytes(body[: Random(row["key"]).choice((-1, len(body)))])
        found.add(path.read_bytes())
    return found


def aside(stage: Stage) -> set[bytes]:
    """What was kept aside, without sidecars."""
    paths = (stage.storage / OURS / "damaged").rglob("*")
    return {path.read_bytes() for path in paths if path.is_file() and path.suffix != ".json"}


async def test_a_kill_during_verify(stage: Stage) -> None:
    """R1, R6: what a killed verify read is read again, and never passed over as sound; what is damaged is named."""
    stage.config.write_text(stage.config.read_text().replace('lease = "2s"', 'lease = "5s"'))
    bad = await damaged(stage, 3)
    assert (await run_mortal(stage, Death("commit", 4, "before"), "verify", "--all")).code == KILLED
    checked = 0
    async with asyncio.timeout(stage.within_s):
        while checked < RECORDINGS:  # what the killed one held is read as soon as its leases are over
            again = await stage.run("verify", "--all", "--json")
            checked = again.json["checked"]
            assert again.code == 1, f"{checked} copies were read, and all are called sound"
    assert {row["state"] for row in (await stage.run("ls", "--json", "--limit", "3")).lines} == {"damaged"}
    await recovers(stage)
    assert aside(stage) == bad


async def test_kills_during_healing(stage: Stage) -> None:
    """R1, R6: whichever steps of replacements are the last ones, damaged bytes are kept and the sound ones come."""
    bad = await damaged(stage, 6)
    assert (await stage.run("verify", "--all")).code == 1
    for death in (Death("link", 3, "after"), Death("rename", 1, "before")):
        await dies(stage, death, "backfill")
    await recovers(stage)
    assert aside(stage) == bad


async def suspected(stage: Stage) -> None:
    """Archive what the provider cuts in half, then let it serve the whole."""
    await stage.control(faults=[HALF])
    assert (await stage.run("backfill")).code == 1
    assert len(await suspects(stage)) == RECORDINGS
    await stage.control(clear_faults=True)


async def suspects(stage: Stage) -> list[str]:
    """The recordings that may not be the call."""
    return [row["recording_id"] for row in await consult(stage, is_done=False) if row["suspect"]]


async def test_kills_during_second_looks(stage: Stage) -> None:
    """R1, B3: sound bytes take the suspect's place in the end, whichever steps the runs that brought them died at."""
    await suspected(stage)
    for death in (Death("commit", 8, "before"), Death("link", 4, "after")):
        await dies(stage, death, "backfill")
    await recovers(stage)
    assert not await suspects(stage)


async def test_a_suspect_that_was_half_replaced_is_not_confirmed_unseen(stage: Stage) -> None:
    """O4, B3: the provider relapses after kills in the middle of replacements; what the catalog tells is there."""
    stage.config.write_text(stage.config.read_text().replace("[transfer]", "[transfer]\nconcurrency = 1"))
    await suspected(stage)
    moved_away, placed = Death("rename", 1, "before"), Death("link", 5, "after")
    await dies(stage, moved_away, "backfill")
    await dies(stage, placed, "backfill")
    await stage.control(faults=[HALF])
    for _ in range(2):
        await stage.run("backfill")
    await consult(stage)


async def test_an_interrupted_migration_resumes(tmp_path: Path, empty_dsn: str) -> None:
    """R8: killed before and after the commit of a file, the next one goes on behind the last whole file."""
    names = [migration.name for migration in load_migrations(migrations_folder())]
    async with staged(tmp_path, empty_dsn, *OPTIONS) as one:
        for moment in ("before", "after", "before"):
            assert (await run_mortal(one, Death("commit", 2, moment), "migrate")).code == KILLED
        assert (await one.run("migrate", "--json")).json == {"applied": names[1:]}
        await recovers(one)


async def test_a_newer_catalog_is_refused(stage: Stage, catalog_dsn: str) -> None:
    """R8: a program that knows less than the catalog says so, exits with 3 and asks no provider for anything."""
    async with open_connection(catalog_dsn) as connection:
        await connection.execute("INSERT INTO schema_migrations VALUES (9999, '9999_later', '')")
    answer = await stage.run("backfill", "--json")
    assert answer.code == 3
    assert "9999" in answer.json["error"]["message"]
    assert "upgrade" in answer.json["error"]["fix"]
    assert await stage.media_requests() == 0
