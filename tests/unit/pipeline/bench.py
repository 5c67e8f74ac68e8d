"""What the tests of the pipeline stand on: a catalog, a storage and providers in memory, joined as the program does."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from archiver.model.account import Account, AccountName
from archiver.model.listing import Cursor, Listing, Page, Window
from archiver.model.objects import KeyTemplate
from archiver.model.recording import Claim, Listed, RecordingId, State
from archiver.model.units import Rate
from archiver.pipeline.bandwidth import Bandwidth
from archiver.pipeline.flow import Flow
from archiver.pipeline.passes import AccountPass, Means, Scope
from archiver.pipeline.registrar import Registrar
from archiver.pipeline.retry import RetryPolicy
from archiver.pipeline.store import Shelf
from archiver.pipeline.tally import Tally
from archiver.pipeline.walk import Walker
from archiver.pipeline.workers import Slots, Workers
from archiver.ports.catalog import ClaimRequest
from archiver.ports.provider import Media, MediaRequest
from tests.builders import ACCOUNT, make_claim_request, make_listed, make_page, make_walk_request
from tests.fakes.catalog import FakeCatalog
from tests.fakes.clock import Clock
from tests.fakes.provider import FakeProvider, make_recording
from tests.fakes.storage import FakeStorage
from tests.unit.pipeline.sounds import wav

MS: Final = timedelta(milliseconds=1)
POLICY: Final = RetryPolicy(max_attempts=3, backoff=MS, longest=2 * MS, not_ready=MS, patience=20 * MS)
LIMIT_S: Final = 5.0
"""What a test takes at most: whoever hangs fails."""


class RunningClock(Clock):
    """A clock that goes on by itself, beside what a test adds."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()

    def now(self) -> datetime:
        """The moment."""
        return super().now() + timedelta(seconds=time.monotonic() - self._began)


def make_account(name: str = ACCOUNT, **changes: Any) -> Account:
    """An account that nothing bounds."""
    usual: dict[str, Any] = {
        "name": AccountName(name),
        "provider": "fake",
        "base_url": "https://fake.example",
        "rate_limit": Rate(1000, timedelta(seconds=1)),
        "burst": 10,
        "concurrency": 4,
        "page_size": 2,
        "overlap": timedelta(0),
        "lag": timedelta(0),
    }
    return Account(**(usual | changes))


def make_rows(*names: str) -> tuple[Listed, ...]:
    """Sound recordings with these ids."""
    return tuple(map(make_listed, names))


class ScriptedProvider(FakeProvider):
    """A provider whose listing answers as told, page after page; ``cursors`` are those it was asked with."""

    def __init__(self, script: Iterator[Page | BaseException]) -> None:
        super().__init__()
        self.script = script
        self.cursors: list[Cursor | None] = []

    async def list_page(self, listing: Listing, window: Window, cursor: Cursor | None) -> Page:
        """The next page of the script."""
        await asyncio.sleep(0)
        self.cursors.append(cursor)
        answer = next(self.script)
        if isinstance(answer, BaseException):
            raise answer
        return answer


class GatedProvider(FakeProvider):
    """A provider whose media stay closed until ``gate`` opens; ``most`` is how many were open at once.

    ``opened`` and ``closed`` tell that one was."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.opened, self.closed = asyncio.Event(), asyncio.Event()
        self.open = self.most = 0

    @asynccontextmanager
    async def open_media(self, request: MediaRequest) -> AsyncIterator[Media]:
        """The body, once the gate is open."""
        self.open += 1
        self.most = max(self.most, self.open)
        self.opened.set()
        try:
            await self.gate.wait()
            async with super().open_media(request) as media:
                yield media
        finally:
            self.open -= 1
            self.closed.set()


@dataclass
class Bench:
    """One account over a catalog, a storage and a provider; ``start`` opens it."""

    spool: Path
    provider: FakeProvider = field(default_factory=FakeProvider)
    account: Account = field(default_factory=make_account)
    catalog: FakeCatalog = field(default_factory=lambda: FakeCatalog(RunningClock()))
    policy: RetryPolicy = POLICY
    process_slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(32))
    lease: timedelta = timedelta(seconds=60)
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.storage = FakeStorage(self.spool)
        self.registrar = Registrar(self.catalog, self.policy)
        self.slots = Slots(account=asyncio.Semaphore(self.account.concurrency), process=self.process_slots)
        self.pages = 0

    @asynccontextmanager
    async def start(self) -> AsyncIterator["Bench"]:
        """Enrol the account and write outcomes; fail instead of hanging."""
        async with asyncio.timeout(LIMIT_S):
            await self.catalog.enrol(self.account.name, "fake", "fake-1")
            async with self.registrar.running():
                yield self

    @property
    def flow(self) -> Flow:
        """The stages."""
        return Flow(
            provider=self.provider,
            shelf=Shelf(
                storage=self.storage,
                template=KeyTemplate("{account}/{recording_id}.{format}"),
                account=self.account,
                real_account_id="fake-1",
                has_sidecars=True,
            ),
            registrar=self.registrar,
            policy=self.policy,
            tally=self.tally,
            bandwidth=Bandwidth(0),
        )

    @property
    def walker(self) -> Walker:
        """The walker; it counts what it announces in ``pages``."""
        return Walker(
            account=self.account,
            provider=self.provider,
            intake=self.catalog,
            policy=self.policy,
            tally=self.tally,
            lease=self.lease,
            on_page=self._count_page,
        )

    def _count_page(self) -> None:
        self.pages += 1

    def workers(self) -> Workers:
        """Workers of a pass whose listings are read."""
        return Workers(
            flow=self.flow,
            work=self.catalog,
            policy=self.policy,
            slots=self.slots,
            lease=self.lease,
            is_walking=lambda: False,
        )

    def one_pass(self, **scope: Any) -> AccountPass:
        """A pass."""
        means = Means(
            account=self.account,
            provider=self.provider,
            intake=self.catalog,
            work=self.catalog,
            flow=self.flow,
            slots=self.slots,
            policy=self.policy,
            lease=self.lease,
        )
        return AccountPass(means, Scope(**scope))

    def offer(self, *names: str, body: bytes | None = None) -> None:
        """Let the provider hold sound recordings with these ids, each with a body of its own."""
        self.provider.add(*(make_recording(name, body or wav(name.encode() * 500)) for name in names))

    async def record(self, *names: str) -> None:
        """Let the catalog know these recordings, as after an earlier walk."""
        walk = await self.catalog.begin_walk(make_walk_request(account=self.account.name))
        await self.catalog.record(walk.id, make_page(*make_rows(*names)))
        await self.catalog.end_walk(walk.id, "recorded for a test")

    async def request(self, **changes: Any) -> ClaimRequest:
        """A claim of a pass that begins now."""
        now = await self.catalog.now()
        usual = {"account": self.account.name, "lease": self.lease, "max_attempts": self.policy.max_attempts}
        return make_claim_request(now, **(usual | changes))

    async def claim(self, **changes: Any) -> Claim:
        """Claim one recording."""
        (claimed,) = await self.catalog.claim(await self.request(limit=1, **changes))
        return claimed

    async def state(self, name: str = "r1") -> State:
        """Where a recording is."""
        (found,) = await self.catalog.lookup(RecordingId(name), self.account.name)
        return found.state

    async def states(self) -> dict[State, int]:
        """How many recordings are in which state; empty states are left out."""
        (status,) = [one for one in await self.catalog.status() if one.account == self.account.name]
        return {state: count for state, count in status.states.items() if count}

    def free_slots(self) -> tuple[int, int]:
        """How many slots of the account and of the process are free."""
        return self.slots.account._value, self.slots.process._value
