"""Bodies that are not the call: what is never stored, and what is kept as suspect, fetched once more, and rests."""

from pathlib import Path

import pytest

from tests.system.stage import Stage, staged

RECORDINGS = 3
FEW = ("--recordings", str(RECORDINGS), "--audio-seconds", "2", "--late-arrivals", "0")
FOR_EVER = "share=1,times=0"

NEVER = [f"{fault}:typed=true,{FOR_EVER}" for fault in ("empty", "json", "html", "xml", "text", "zip", "image")]
NEVER += [f"noise:{FOR_EVER}", f"gzip:labelled=false,{FOR_EVER}"]
SUSPECT = {
    f"wav44:{FOR_EVER}": "holds no audio",
    f"wav_zero_data:{FOR_EVER}": "holds no audio",
    f"half:{FOR_EVER}": "it plays",
    f"cut:framing=close,{FOR_EVER}": "cut",
    f"wrong_duration:{FOR_EVER}": "the listing claims 6.0 s",
}


async def backfill(stage: Stage) -> tuple[int, dict[str, int], int]:
    """Run a backfill; answers its exit code, what it did, and how often media was asked for."""
    before = await stage.media_requests()
    answer = await stage.run("backfill", "--json")
    return answer.code, answer.json["total"]["done"], await stage.media_requests() - before


@pytest.mark.parametrize("fault", NEVER)
async def test_what_is_no_audio_is_never_stored(tmp_path: Path, catalog_dsn: str, fault: str) -> None:
    """B2: under an audio type and status 200, for ever, such bodies are refused and retried, and never stored."""
    async with staged(tmp_path, catalog_dsn, *FEW, "--fault", fault) as stage:
        stage.amend('[transfer]\nbackoff = "1ms"\n')
        code, done, requests = await backfill(stage)
        states = (await stage.run("status", "--json")).json["accounts"]["sandbox-vobiz"]["states"]
    assert (code, done["stored"], requests) == (1, 0, 5 * RECORDINGS)
    assert states["pending"] == RECORDINGS
    assert not [path for path in stage.storage.rglob("*") if path.is_file() and ".archiver" not in path.parts]


@pytest.mark.parametrize("fault", SUSPECT)
async def test_what_repeats_is_kept_as_suspect(tmp_path: Path, catalog_dsn: str, fault: str) -> None:
    """B3, O6: five attempts, stored as suspect with its reason; fetched once more by the next run; then never."""
    async with staged(tmp_path, catalog_dsn, *FEW, "--fault", fault) as stage:
        stage.amend('[transfer]\nbackoff = "1ms"\n')
        code, done, requests = await backfill(stage)
        assert (code, done["suspect"], requests) == (1, RECORDINGS, 5 * RECORDINGS)
        rows = (await stage.run("ls", "--suspect", "--json")).lines
        assert [row["state"] for row in rows] == ["verified"] * RECORDINGS
        assert all(SUSPECT[fault] in row["suspect"] for row in rows)
        assert await backfill(stage) == (0, dict.fromkeys(done, 0), RECORDINGS)
        assert await backfill(stage) == (0, dict.fromkeys(done, 0), 0)


async def test_a_suspect_heals_when_the_provider_does(tmp_path: Path, catalog_dsn: str) -> None:
    """B3: sound bytes at the second look take the suspect's key; the old pair is put aside and the flag cleared."""
    async with staged(tmp_path, catalog_dsn, *FEW, "--fault", f"half:{FOR_EVER}") as stage:
        stage.amend('[transfer]\nbackoff = "1ms"\n')
        await backfill(stage)
        await stage.control(clear_faults=True)
        code, done, requests = await backfill(stage)
        assert (code, done["stored"], done["suspect"], requests) == (0, RECORDINGS, 0, RECORDINGS)
        rows = (await stage.run("ls", "--json")).lines
        ledger = (await stage.ledger())["recordings"]
    assert [row["suspect"] for row in rows] == [None] * RECORDINGS
    assert all(row["sha256"] == ledger[row["recording_id"]]["sha256"] for row in rows)
    aside = [path for path in (stage.storage / ".archiver" / "damaged").rglob("*") if path.is_file()]
    assert len(aside) == 2 * RECORDINGS
