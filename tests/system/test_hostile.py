"""Hostile providers before the installed command: redirects, bodies without an end, lying ranges, names like paths."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.system.oracle import consult
from tests.system.stage import Stage, ended, staged
from tests.system.test_politeness import PROVIDERS, SHORT, THREE, amend
from tests.system.warm import Process

FOR_EVER = "times=0"
CALM = '[transfer]\nbackoff = "10ms"\nidle_timeout = "1s"\n'


def faulty(*faults: str) -> Sequence[str]:
    """The options that order these faults."""
    return [word for fault in faults for word in ("--fault", fault)]


REDIRECTS = {
    "stranger": ("verified", None),
    "https": ("pending", "TLS could not be agreed on"),
    "file": ("failed", "no usable address: file:///etc/passwd"),
    "metadata": ("failed", "host 169.254.169.254 has no public address"),
    "userinfo": ("failed", "carries a user name or a password"),
    "self": ("failed", "more than 5 redirects"),
    "endless": ("failed", "more than 5 redirects"),
}
"""Where a redirect may lead, what becomes of the recording, and the words that say why."""


@pytest.mark.parametrize("to", REDIRECTS)
async def test_redirects_are_judged(tmp_path: Path, catalog_dsn: str, to: str) -> None:
    """S1, S2, O5: at all three providers no credential reaches a stranger, what may not be contacted is named and
    nothing else suffers; without the fault the next run archives everything."""
    state, words = REDIRECTS[to]
    fault = faulty(f"redirect:to={to},share=0.4,{FOR_EVER}")
    async with staged(tmp_path, catalog_dsn, *THREE, "--recordings", "8", *SHORT, *fault) as stage:
        stage.amend(CALM)
        for name in PROVIDERS:
            amend(stage, name, allow_private_hosts="false")
        await stage.run("backfill")
        rows = {row["recording_id"]: row for row in (await stage.run("ls", "--json", "--all")).lines}
        ledgers = await stage.ledgers()
        struck = {name for one in ledgers.values() for name, entry in one["recordings"].items() if entry["faults"]}
        assert all(one["faults"]["redirect"] for one in ledgers.values())
        assert {rows[name]["state"] for name in struck} == {state}
        assert all(words is None or words in rows[name]["error"] for name in struck)
        assert {row["state"] for name, row in rows.items() if name not in struck} == {"verified"}
        await stage.control(clear_faults=True)
        assert (await stage.run("backfill")).code == 0
        await consult(stage)
        assert [one["credential_leaks"] for one in (await stage.ledgers()).values()] == [0, 0, 0]


async def test_media_hosts_are_the_whole_list(tmp_path: Path, catalog_dsn: str) -> None:
    """S2: with ``media_hosts = []`` a store behind a redirect is not contacted, and the error says what to add; that
    done, everything is archived."""
    async with staged(tmp_path, catalog_dsn, "--recordings", "30", *SHORT) as stage:
        api = stage.ready["urls"]["vobiz"].replace("127.0.0.1", "localhost")
        hosts = stage.ready["accounts"]["sandbox-vobiz"]["credential_hosts"]
        own = [*hosts, re.findall(r"localhost:\d+", api)[0]]
        stage.amend(CALM, base_url=f'"{api}"', media_hosts="[]", credential_hosts=str(own), allow_private_hosts="false")
        assert (await stage.run("backfill")).code == 1
        failed = (await stage.run("ls", "--state", "failed", "--json")).lines
        assert failed
        assert all("host 127.0.0.1 is not among its media_hosts" in row["error"] for row in failed)
        assert (await stage.ledger())["requests"]["store"] == 0
        stage.amend(media_hosts='["127.0.0.1"]')
        assert (await stage.run("backfill")).code == 0
        await consult(stage)
        assert (await stage.ledger())["credential_leaks"] == 0


MOST_BYTES = 3 << 20


async def _largest_part(stage: Stage, process: Process) -> int:
    """The size of the largest part that was ever seen while a process ran."""
    most, parts = 0, stage.storage / ".archiver" / "parts"
    while process.returncode is None:
        sizes = [path.stat().st_size for path in parts.glob("*.part") if path.exists()]
        most = max(most, *sizes, 0)
        await asyncio.sleep(0.005)
    return most


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
async def test_a_body_without_an_end_is_refused_on_its_way(tmp_path: Path, catalog_dsn: str, framing: str) -> None:
    """P3: more bytes than ``transfer.max_size`` are refused, whether they were announced or not, and never spooled."""
    faults = [f"oversized:bytes=200000000,share=1,{FOR_EVER}"]
    faults += [] if framing == "length" else [f"framed:framing={framing},share=1,{FOR_EVER}"]
    async with staged(tmp_path, catalog_dsn, "--recordings", "4", *SHORT, *faulty(*faults)) as stage:
        stage.amend(f'[transfer]\nmax_size = "{MOST_BYTES}B"\n')
        process = await stage.start("backfill")
        watching = asyncio.create_task(_largest_part(stage, process))
        answer = await ended(process)
        assert answer.code == 1, answer.stderr
        assert await watching <= MOST_BYTES
        rows = (await stage.run("ls", "--json")).lines
    assert {row["state"] for row in rows} == {"failed"}
    assert all(f"has more than {MOST_BYTES} bytes" in row["error"] for row in rows)


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_listing_without_an_end_is_refused(tmp_path: Path, catalog_dsn: str, framing: str) -> None:
    """P3, D2: a listing of a hundred megabytes is not read to its end; the walk is incomplete and says why."""
    faults = [f"oversized:on=list,bytes=100000000,share=1,{FOR_EVER}"]
    faults += [] if framing == "length" else [f"framed:on=list,framing={framing},share=1,{FOR_EVER}"]
    async with staged(tmp_path, catalog_dsn, "--recordings", "4", *SHORT, *faulty(*faults)) as stage:
        answer = await stage.run("backfill", "--json")
    (walk,) = answer.json["total"]["walks"]
    assert not walk["complete"]
    assert "has more than 16777216 bytes" in walk["reason"]


@pytest.mark.parametrize("fault", ["no_answer:how=hang,", "hang:", "hang:part=0,", "delay:seconds=3,"])
async def test_silence_ends(tmp_path: Path, catalog_dsn: str, fault: str) -> None:
    """P4: logins, listings and media that fall silent once each, before or after their headers, are given up after the
    idle timeout and asked for again; everything is archived in the same run."""
    options = faulty(f"{fault}on=list+login+media,share=0.3,times=1")
    async with staged(tmp_path, catalog_dsn, *THREE, "--recordings", "8", *SHORT, *options) as stage:
        stage.amend(CALM)
        answer = await stage.run("backfill", "--json")
        assert answer.code == 0, answer.stdout + answer.stderr
        await consult(stage)


LIES = {
    "honest": (),
    "ignored": (f"ignored_range:share=1,{FOR_EVER}",),
    "shifted": (f"shifted_range:share=1,{FOR_EVER}",),
    "shifted far": (f"shifted_range:by=65536,share=1,{FOR_EVER}",),
    "shifted openly": (f"shifted_range:honest=true,share=1,{FOR_EVER}",),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("end", ["cut", "reset"])
async def test_a_broken_stream_ends_in_the_right_bytes(tmp_path: Path, catalog_dsn: str, end: str, lie: str) -> None:
    """B4: streams of megabytes that broke off are gone on with where that is safe, and begun anew where the provider
    ignores ranges, or sends others than it says: the bytes are right in the end."""
    faults = faulty(f"{end}:part=0.9,share=1,times=1", *LIES[lie])
    options = ("--provider", "kazoo", "--recordings", "4", *SHORT[2:], "--audio-seconds", "200", *faults)
    async with staged(tmp_path, catalog_dsn, *options) as stage:
        stage.config.write_text(f"{stage.config.read_text()}\n{CALM}")
        answer = await stage.run("backfill", "--json")
        assert answer.code == 0, answer.stdout + answer.stderr
        await consult(stage)
        recordings = (await stage.ledger())["recordings"].values()
    if end == "cut":  # a reset may take with it what was sent and not read yet
        shares = [sum(served["size_bytes"] for served in one["served"]) / one["size_bytes"] for one in recordings]
        assert all((share < 1.5) == (lie == "honest") for share in shares), shares


@pytest.mark.parametrize("fault", ["hostile_id", "hostile_name"])
async def test_names_never_become_paths(tmp_path: Path, catalog_dsn: str, fault: str) -> None:
    """S3: ids and file names that are paths, too long or full of control characters leave plain, short, distinct names
    below the storage's root and nothing anywhere else; such an id is quarantined, the others are archived."""
    folder = tmp_path / "stage"
    folder.mkdir()
    options = (*THREE, "--recordings", "20", *SHORT, *faulty(f"{fault}:share=0.6,{FOR_EVER}"))
    async with staged(folder, catalog_dsn, *options) as stage:
        answer = await stage.run("backfill", "--json")
        rows = (await stage.run("ls", "--json", "--all")).lines
        ledgers = await stage.ledgers()
    struck = [name for one in ledgers.values() for name, entry in one["recordings"].items() if entry["faults"]]
    quarantined = answer.json["total"]["malformed"]
    assert len(struck) > 20 or (fault == "hostile_name" and len(struck) > 10)
    assert quarantined == (len(struck) if fault == "hostile_id" else 0)
    assert {row["state"] for row in rows} == {"verified"}
    _check_names(stage, [row["key"] for row in rows])
    assert [path.name for path in tmp_path.iterdir()] == ["stage"]
    assert not [name for name in struck if Path("/tmp", name).exists() or Path("/etc/cron.d", name).exists()]


def _check_names(stage: Stage, keys: Sequence[str]) -> None:
    """Exactly these files and their sidecars lie in storage, under names of plain letters."""
    files = [path for path in stage.storage.rglob("*") if path.is_file() and ".archiver" not in path.parts]
    names = [path.relative_to(stage.storage) for path in files]
    assert len(set(keys)) == len(keys) > 10
    assert {name.as_posix() for name in names} == {*keys, *(f"{key}.json" for key in keys)}
    for part in {part for name in names for part in name.parts}:
        assert re.fullmatch(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,254}", part)
