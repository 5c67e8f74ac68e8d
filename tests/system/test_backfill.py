"""The main job as a user runs it: the installed command, a provider over HTTP, a real database, real files."""

from datetime import datetime
from pathlib import Path

from tests.system.oracle import consult, leftovers
from tests.system.stage import ACCOUNT, Stage, staged


async def test_everything_is_archived_once_and_proven(stage: Stage) -> None:
    """O1, O3, O5: every recording is verified, with the digest of what was served, at its first attempt."""
    answer = await stage.run("backfill")
    assert answer.code == 0, answer.stderr
    rows = await consult(stage)
    assert len(rows) == 40
    assert await stage.media_requests() == 40
    assert not leftovers(stage)


async def test_the_second_run_fetches_nothing(stage: Stage) -> None:
    """O6: a pass over an archived account makes no media request and says so."""
    await stage.run("backfill")
    asked = await stage.media_requests()
    again = await stage.run("backfill", "--json")
    assert again.code == 0
    assert await stage.media_requests() == asked
    assert again.json["total"]["done"] == dict.fromkeys(("stored", "verified", "failed", "gone", "suspect", "bytes"), 0)


async def test_the_numbers_add_up(stage: Stage) -> None:
    """T5: listed = new + known, the states sum to the rows, the total is the sum of the accounts."""
    first = (await stage.run("backfill", "--json")).json
    await stage.control(add=3)
    second = (await stage.run("backfill", "--json")).json
    for summary, new, known in ((first, 40, 0), (second, 3, 40)):
        account = summary["accounts"][ACCOUNT]
        assert (account["new"], account["known"], account["listed"]) == (new, known, new + known)
        assert account["done"]["stored"] == account["done"]["verified"] == new
        assert sum(account["states"].values()) == account["states"]["verified"] == new + known
        assert account["walks"][0]["complete"]
        assert summary["total"]["listed"] == account["listed"]
        assert summary["total"]["walks"] == account["walks"]


async def test_rows_that_arrive_while_one_pages_are_archived(tmp_path: Path, catalog_dsn: str) -> None:
    """D1: what appears at the head behind the walk's back is found by the same run."""
    options = ("--recordings", "60", "--audio-seconds", "1", "--page-cap", "10", "--late-arrivals", "5")
    async with staged(tmp_path, catalog_dsn, *options) as stage:
        assert (await stage.run("backfill")).code == 0
        assert len(await consult(stage)) == 60


async def test_a_dry_run_changes_nothing(stage: Stage) -> None:
    """A dry run walks, tells what it would fetch, and leaves catalog, storage and media alone."""
    answer = await stage.run("backfill", "--dry-run", "--json")
    assert answer.code == 1
    assert answer.json["accounts"][ACCOUNT]["new"] == 40
    assert not (await stage.run("ls", "--json")).stdout
    assert not stage.storage.exists()
    assert await stage.media_requests() == 0


async def test_no_download_only_records(stage: Stage) -> None:
    """With --no-download everything is recorded and nothing fetched; the next run fetches it."""
    answer = await stage.run("backfill", "--no-download", "--json")
    assert answer.code == 1
    assert answer.json["accounts"][ACCOUNT]["states"]["pending"] == 40
    assert await stage.media_requests() == 0
    assert (await stage.run("backfill")).code == 0
    await consult(stage)


async def test_since_and_until_narrow_a_run(stage: Stage) -> None:
    """Only what started within the bounds is listed and fetched; the next run brings the rest."""
    await stage.run("backfill", "--no-download")
    starts = sorted(row["started_at"] for row in (await stage.run("ls", "--json", "--all")).lines)
    since, until = starts[10], starts[19]
    answer = await stage.run("backfill", "--since", since[:19], "--until", until[:19], "--json")
    inside = [start for start in starts if datetime.fromisoformat(since[:19] + "Z") <= _moment(start) <= _moment(until)]
    assert answer.json["total"]["listed"] in {len(inside), len(inside) - 1}  # the bounds are cut to whole seconds
    assert answer.json["total"]["done"]["verified"] == answer.json["total"]["listed"]
    assert (await stage.run("backfill")).code == 0
    await consult(stage)


async def test_what_the_filter_leaves_out_is_never_fetched(stage: Stage) -> None:
    """An excluded recording is shown as such; when the filter goes, it is fetched."""
    stage.amend(f'[accounts.{ACCOUNT}.exclude]\ntype = ["trunk"]')
    answer = await stage.run("backfill", "--json")
    states = answer.json["accounts"][ACCOUNT]["states"]
    assert answer.code == 0
    assert states["excluded"] > 0
    assert states["excluded"] + states["verified"] == 40
    stage.config.write_text(stage.config.read_text().split(f"[accounts.{ACCOUNT}.exclude]")[0])
    assert (await stage.run("backfill")).code == 0
    await consult(stage)


async def test_credentials_never_leave_the_account_s_hosts(stage: Stage) -> None:
    """S1: the object store behind a redirect saw no credential; S5: nothing that we keep or say holds the token."""
    token = stage.ready["accounts"][ACCOUNT]["auth_token"]
    answer = await stage.run("backfill", "--log-level", "debug")
    assert (await stage.ledger())["credential_leaks"] == 0
    shown = (await stage.run("ls", "--json", "--all")).stdout
    sidecars = "".join(path.read_text() for path in stage.storage.rglob("*.json"))
    for text in (answer.stdout, answer.stderr, shown, sidecars):
        assert token not in text


async def test_ls_and_status_show_what_was_archived(stage: Stage) -> None:
    """The catalog is readable for people and scripts, and its numbers are those of the run."""
    await stage.run("backfill")
    row = (await stage.run("ls", "--json", "--limit", "1")).lines[0]
    assert row["state"] == "verified"
    assert row["verified_by"]
    assert row["started_at"].endswith("Z")
    assert row["storage_url"].startswith("file:")
    found = (await stage.run("ls", "--json", "--number", row["from_number"])).lines
    assert row["recording_id"] in {one["recording_id"] for one in found}
    status = (await stage.run("status", "--json")).json
    assert status["accounts"][ACCOUNT]["states"]["verified"] == status["storage"]["objects"] == 40
    assert status["accounts"][ACCOUNT]["walks"]["recordings"]["complete"]
    assert "verified" in (await stage.run("status")).stdout
    assert row["recording_id"] in (await stage.run("ls")).stdout
    assert (await stage.run("status", "--ready")).code == 0


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
