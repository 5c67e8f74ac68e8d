"""Walks over the sandbox: real adapters, real HTTP, listings that change, lie and go round in circles."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession

from archiver.model.account import Account
from archiver.model.listing import WalkKind, WalkReport, Window
from archiver.model.recording import RecordingId
from archiver.pipeline.tally import Tally
from archiver.pipeline.walk import Walker
from archiver.ports.provider import Provider
from archiver.sandbox.options import KazooOptions, SandboxOptions
from archiver.sandbox.server import Sandbox, serve
from tests.accounts import account_of
from tests.contract.sandboxed import build
from tests.fakes.catalog import FakeCatalog
from tests.fakes.clock import Clock
from tests.unit.pipeline.bench import POLICY

PROVIDERS = ("vobiz", "vonage_vbc", "kazoo")
FULL, INCREMENTAL = WalkKind.FULL, WalkKind.INCREMENTAL


@dataclass
class Visit:
    """An account over a sandbox, and a catalog whose clock stands where the sandbox's began."""

    sandbox: Sandbox
    account: Account
    provider: Provider
    catalog: FakeCatalog = field(default_factory=lambda: FakeCatalog(Clock(datetime.now(UTC))))

    async def walk(self, kind: WalkKind) -> Sequence[WalkReport]:
        """Walk every listing."""
        await self.catalog.enrol(self.account.name, self.account.provider, "real")
        self.catalog.clock.advance(timedelta(minutes=1))
        tally = Tally()
        walker = Walker(
            account=self.account,
            provider=self.provider,
            intake=self.catalog,
            policy=POLICY,
            tally=tally,
            lease=timedelta(minutes=1),
            on_page=lambda: None,
        )
        return [await walker.walk(listing, Window(), kind) for listing in await self.provider.listings()]

    async def control(self, command: dict[str, Any]) -> None:
        """Tell the sandbox what to do."""
        async with ClientSession() as session, session.post(self.sandbox.control_url, json=command) as answer:
            assert answer.ok, await answer.text()

    async def unknown(self) -> set[RecordingId]:
        """What exists and is not recorded."""
        recordings = self.sandbox.ledger.as_json()["providers"][self.account.provider]["recordings"]
        there = {name for name, entry in recordings.items() if entry["deleted_at"] is None and entry["present"]}
        return there - await self.catalog.known(self.account.name, there)


@asynccontextmanager
async def visit(name: str) -> AsyncIterator[Visit]:
    """A sandbox with a hundred recordings, five on a page, all of which a full walk has recorded."""
    options = SandboxOptions(
        providers=(name,),
        seed=3,
        recordings=100,
        page_cap=5,
        audio_seconds=(1, 2),
        late_arrivals=0,
        kazoo=KazooOptions(late_media=0),
    )
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(serve(options))
        (settings,) = sandbox.accounts.values()
        account = replace(account_of(settings), since=datetime.now(UTC) - timedelta(days=80))
        visiting = Visit(sandbox, account, await build(stack, settings))
        assert all(report.is_complete for report in await visiting.walk(FULL))
        assert not await visiting.unknown()
        yield visiting


@pytest.mark.parametrize("name", PROVIDERS)
async def test_what_is_new_costs_a_few_pages(name: str) -> None:
    """D4: each provider's incremental walk finds the new recordings for a part of what the full one reads."""
    async with visit(name) as visiting:
        whole = sum(report.pages for report in await visiting.walk(FULL))
        await visiting.control({"add": 7})
        reports = await visiting.walk(INCREMENTAL)
        assert all(report.is_complete for report in reports)
        assert sum(report.pages for report in reports) < whole / 2
        assert not await visiting.unknown()


@pytest.mark.parametrize("fault", ["vanish:count=3", "arrive:count=3,first=6", "late:count=5,pages=3"])
@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_changing_listing_skips_nothing(name: str, fault: str) -> None:
    """D1, D3: what changes while an incremental walk reads is found by it or by the next one."""
    async with visit(name) as visiting:
        await visiting.control({"add": 12, "faults": [fault]})
        await visiting.walk(INCREMENTAL)
        await visiting.control({"clear_faults": True})
        assert all(report.is_complete for report in await visiting.walk(INCREMENTAL))
        assert not await visiting.unknown()


@pytest.mark.parametrize(
    "fault", ["loop", "empty_page:share=1", "wrong_total", "ignored_offset", "strange_envelope", "wrong_total:by=-50"]
)
@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_lying_listing_is_outlived(name: str, fault: str) -> None:
    """D2: an incremental walk over a listing that lies ends bounded; whatever it came to, the next one heals."""
    async with visit(name) as visiting:
        await visiting.control({"add": 12, "faults": [fault]})
        reports = await visiting.walk(INCREMENTAL)
        assert sum(report.pages for report in reports) < 200
        assert not (all(report.is_complete for report in reports) and await visiting.unknown())
        await visiting.control({"clear_faults": True})
        assert all(report.is_complete for report in await visiting.walk(INCREMENTAL))
        assert not await visiting.unknown()
