"""Finding a recording, hearing it, checking it, healing it: the commands that people live with."""

import hashlib
from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path
from typing import Any

import pytest

from tests.system.oracle import consult
from tests.system.stage import PROGRAM, Stage


@pytest.fixture
async def archived(stage: Stage) -> Stage:
    """Forty recordings, archived."""
    assert (await stage.run("backfill")).code == 0
    return stage


async def newest(stage: Stage) -> dict[str, Any]:
    """The newest recording, as ``ls`` shows it."""
    row: dict[str, Any] = (await stage.run("ls", "--json", "--limit", "1")).lines[0]
    return row


def name_of(row: dict[str, Any]) -> str:
    """How the command line names it."""
    return f"{row['account']}/{row['recording_id']}"


def flip(stage: Stage, row: dict[str, Any]) -> Path:
    """Flip a bit of a stored file; answers it."""
    path: Path = stage.storage / row["key"]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path


async def test_a_recording_is_found_by_number_and_shown(archived: Stage) -> None:
    """The last six digits find it; its history goes from recorded to verified, with the provider's document."""
    row = await newest(archived)
    found = (await archived.run("ls", "--json", "--number", row["from_number"][-6:])).lines
    assert row["recording_id"] in {one["recording_id"] for one in found}
    shown = await archived.run("show", name_of(row))
    assert shown.code == 0
    for word in ("verified_by", row["sha256"], "history", "recorded", "provider's document", row["recording_id"]):
        assert word in shown.stdout
    document = (await archived.run("show", row["recording_id"], "--json")).json
    assert [event["name"] for event in document["history"]] == ["recorded", "stored", "verified"]
    assert {**row, "history": document["history"]} == document


async def test_get_brings_the_very_bytes(archived: Stage, tmp_path: Path) -> None:
    """Into a file, into a folder, and into a pipe: always the bytes of the digest."""
    row = await newest(archived)
    target = tmp_path / "call.wav"
    saved = await archived.run("get", name_of(row), "-o", str(target), "--json")
    assert (saved.code, saved.json["sha256"]) == (0, row["sha256"])
    assert hashlib.sha256(target.read_bytes()).hexdigest() == row["sha256"]
    (folder := tmp_path / "calls").mkdir()
    await archived.run("get", name_of(row), "-o", str(folder))
    assert (folder / Path(row["key"]).name).read_bytes() == target.read_bytes()
    process = await create_subprocess_exec(
        PROGRAM, "get", row["recording_id"], "--config", str(archived.config), stdout=PIPE
    )
    stdout, _ = await process.communicate()
    assert stdout == target.read_bytes()


async def test_get_refuses_other_bytes(archived: Stage, tmp_path: Path) -> None:
    """A damaged or missing object is refused, named, with the fix; nothing is written, and nothing replaced."""
    row = await newest(archived)
    path, target = flip(archived, row), tmp_path / "call.wav"
    target.write_bytes(b"mine")
    for words in (("-o", str(target)), ()):
        refused = await archived.run("get", name_of(row), *words)
        assert refused.code == 1
        assert row["key"] in refused.stderr
        assert "archiver verify" in refused.stderr
        assert not refused.stdout
    path.unlink()
    assert "nothing" in (await archived.run("get", name_of(row), "-o", str(target))).stderr
    assert target.read_bytes() == b"mine"
    assert sorted(one.name for one in tmp_path.iterdir() if "part" in one.name) == []


@pytest.mark.parametrize("command", [("show",), ("get", "-o", "x"), ("verify",), ("retry",)])
async def test_an_unknown_id_is_named(archived: Stage, command: tuple[str, ...]) -> None:
    """An unknown ID is exit code 1, and the message says how to find the right one."""
    answer = await archived.run(*command, "sandbox-vobiz/nothing", "--json")
    assert (answer.code, answer.json["error"]["code"]) == (1, "unknown_id")
    assert "archiver ls" in answer.json["error"]["fix"]


async def test_damage_is_named_and_healed(archived: Stage) -> None:
    """R6: a flipped, a cut, a swapped and a missing file are named; the next backfill heals them and keeps the old."""
    rows = (await archived.run("ls", "--json")).lines[:5]
    flipped = flip(archived, rows[0]).read_bytes()
    cut, swapped, missing, touched = (archived.storage / row["key"] for row in rows[1:5])
    cut.write_bytes(cut.read_bytes()[:-1])
    missing.unlink()
    swapped.write_bytes(touched.read_bytes())
    touched.touch()
    found = await archived.run("verify", "--all", "--json")
    assert found.code == 1
    assert sorted(found.json["damaged"]) == sorted(map(name_of, rows[:3]))
    assert (found.json["missing"], found.json["checked"], found.json["ok"]) == ([name_of(rows[3])], 40, 36)
    named = await archived.run("verify", *map(name_of, rows[:4]))
    assert all(name_of(row) in named.stdout for row in rows[:4])
    healed = await archived.run("backfill", "--json")
    assert (healed.code, healed.json["total"]["done"]["verified"]) == (0, 4)
    await consult(archived)
    aside = [path for path in (archived.storage / ".archiver" / "damaged").rglob("*") if path.is_file()]
    assert flipped in [path.read_bytes() for path in aside]
    assert (await archived.run("verify", "--all")).code == 0


async def test_verify_takes_what_is_old(archived: Stage) -> None:
    """Only what was not read back for so long is read; without any choice it is a usage error."""
    assert (await archived.run("verify", "--older-than", "1d", "--json")).json["checked"] == 0
    assert (await archived.run("verify", "--older-than", "0s", "--json")).json["checked"] == 40
    answer = await archived.run("verify")
    assert answer.code == 2
    assert "--older-than" in answer.stderr


async def test_what_is_not_stored_cannot_be_had(stage: Stage) -> None:
    """A recording that is known and not stored yet is named as such by get and verify, with what to do."""
    await stage.run("backfill", "--no-download")
    name = name_of(await newest(stage))
    for command in (("get", name, "-o", "x"), ("verify", name)):
        answer = await stage.run(*command, "--json")
        assert (answer.code, answer.json["error"]["code"]) == (1, "not_stored")
        assert "archiver backfill" in answer.json["error"]["fix"]


async def test_retry_makes_due(stage: Stage) -> None:
    """What failed attempts put off becomes due at once, and the next backfill fetches it."""
    await stage.run("backfill", "--no-download")
    assert (await stage.run("retry", "--json")).json == {"reopened": 0}
    stage.amend('[transfer]\nmax_attempts = 1\nbackoff = "1h"\n')
    await stage.control(faults=["status:code=503,share=0.2,times=1"])
    assert (await stage.run("backfill")).code == 1
    waiting = (await stage.run("ls", "--state", "pending", "--json", "--all")).lines
    assert waiting
    assert (await stage.run("retry", "--account", "sandbox-vobiz", "--json")).json == {"reopened": len(waiting)}
    again = (await stage.run("ls", "--json", "--all")).lines
    assert {row["next_attempt_at"] for row in again} == {None}
    assert (await stage.run("backfill")).code == 0
