"""All three providers of the mission at the same time, each with the traps of its pages."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.system.oracle import consult, leftovers
from tests.system.stage import Stage, staged

OPTIONS = ("--recordings", "40", "--audio-seconds", "1", "--page-cap", "10")
PROVIDERS = ("--provider", "vobiz", "--provider", "vonage_vbc", "--provider", "kazoo")


@pytest.fixture(params=["0", "1"], ids=["pages from 0", "pages from 1"])
async def three(tmp_path: Path, catalog_dsn: str, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Three accounts; rows arrive late, recordings lie across changes of month, one is not retrievable."""
    traps = ("--vbc-page-base", str(request.param), "--kazoo-straddlers", "2", "--kazoo-late-media", "0")
    async with staged(tmp_path, catalog_dsn, *PROVIDERS, *OPTIONS, *traps) as one:
        yield one


async def test_three_providers_are_archived_side_by_side(three: Stage) -> None:
    """O1, O3, O5, D3: what can be had is verified, at the edges of windows and months too; the rest is named."""
    runs = [(await three.run("backfill", "--json")).json for _ in range(4)]  # the last rows arrive with the third
    rows = await consult(three)
    assert len({row["account"] for row in rows}) == 3
    assert not leftovers(three)
    listings = {row["listing"] for row in rows}
    assert {"recordings", "company", "account"} < listings
    assert any(listing.startswith("user:") for listing in listings)
    failed = [row for row in rows if row["state"] == "failed"]
    assert failed, "the sandbox lists recordings that it cannot serve"
    assert all("listed but not retrievable" in row["error"] for row in failed)
    assert {row["provider"] for row in failed} == {"kazoo"}
    for run in runs:
        for account in run["accounts"].values():
            assert account["listed"] == account["new"] + account["known"]
            assert all(walk["complete"] for walk in account["walks"])
    stored = sum(run["total"]["done"]["stored"] for run in runs)
    assert stored == len(rows) - len(failed), "each is stored once (O6)"
    assert runs[-1]["total"]["done"]["stored"] == 0


async def test_no_credential_is_kept_or_leaves_its_hosts(three: Stage) -> None:
    """S1, S5: no store behind a redirect saw a credential; no secret or token is logged, said, listed or kept."""
    answer = await three.run("backfill", "--log-level", "debug")
    shown = (await three.run("ls", "--json", "--all")).stdout
    sidecars = "".join(path.read_text() for path in three.storage.rglob("*.json"))
    secrets = {
        value
        for settings in three.ready["accounts"].values()
        for name, value in settings.items()
        if name in {"auth_token", "api_key", "password", "client_secret", "access_token"}
    }
    assert len(secrets) >= 4
    for text in (answer.stdout, answer.stderr, shown, sidecars):
        assert not [secret for secret in secrets if secret in text]
        assert "Bearer " not in text
    assert all(ledger["credential_leaks"] == 0 for ledger in (await three.ledgers()).values())
