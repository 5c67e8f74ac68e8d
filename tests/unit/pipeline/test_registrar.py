"""Group commit: what waits goes together, and nobody is told before it is written."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from archiver.model.errors import CatalogError, CatalogUnavailable, LeaseLost
from archiver.model.outcome import Outcome, Released, Stored
from archiver.model.recording import Claim, LeaseId, State
from archiver.pipeline.registrar import LARGEST_BATCH, Registrar
from tests.builders import ACCOUNT, make_claim_request, make_listed, make_page, make_stored_object, make_walk_request
from tests.fakes.catalog import FakeCatalog
from tests.unit.pipeline.bench import LIMIT_S, POLICY


class SlowCatalog(FakeCatalog):
    """Settling waits for ``gate``; ``batches`` are what came. ``trouble`` is raised instead."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.batches: list[list[Outcome]] = []
        self.trouble: CatalogError | None = None

    async def settle(self, outcomes: Sequence[Outcome]) -> frozenset[LeaseId]:
        """Take the batch, wait, write it."""
        self.batches.append(list(outcomes))
        await self.gate.wait()
        if self.trouble:
            raise self.trouble
        return await super().settle(outcomes)


@pytest.fixture
async def catalog() -> SlowCatalog:
    """One account, ten recordings."""
    catalog = SlowCatalog()
    await catalog.enrol(ACCOUNT, "fake", "fake-1")
    walk = await catalog.begin_walk(make_walk_request())
    await catalog.record(walk.id, make_page(*(make_listed(f"r{number}") for number in range(10))))
    return catalog


async def claim_all(catalog: FakeCatalog) -> Sequence[Claim]:
    return await catalog.claim(make_claim_request(await catalog.now()))


async def turn() -> None:
    """Let everything that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_waits_goes_together(catalog: SlowCatalog) -> None:
    """While one batch is on its way the next one gathers, in the order of asking."""
    claims = await claim_all(catalog)
    registrar = Registrar(catalog, POLICY)
    async with registrar.running(), asyncio.TaskGroup() as group:
        for claim in claims:
            group.create_task(registrar.settle(Released(claim)))
            await turn()
        catalog.gate.set()
    assert [len(batch) for batch in catalog.batches] == [1, 9]
    assert [outcome.claim for batch in catalog.batches for outcome in batch] == list(claims)


async def test_nobody_is_told_before_the_commit(catalog: SlowCatalog) -> None:
    """A settled outcome is in the catalog when its waiter goes on (R2)."""
    claim = (await claim_all(catalog))[0]
    registrar = Registrar(catalog, POLICY)
    async with registrar.running():
        waiter = asyncio.create_task(registrar.settle(Stored(claim, make_stored_object())))
        await turn()
        assert not waiter.done()
        catalog.gate.set()
        await waiter
        (found,) = await catalog.lookup(claim.listed.recording_id, ACCOUNT)
        assert found.state is State.STORED


async def test_a_batch_has_one_outcome_per_lease(catalog: SlowCatalog) -> None:
    """Stored, then given back because its worker was cancelled: two batches, in this order (R2)."""
    other, claim = (await claim_all(catalog))[:2]
    registrar = Registrar(catalog, POLICY)
    async with registrar.running(), asyncio.TaskGroup() as group:
        group.create_task(registrar.settle(Released(other)))
        await turn()
        group.create_task(registrar.settle(Stored(claim, make_stored_object())))
        await turn()
        group.create_task(registrar.settle(Released(claim)))
        await turn()
        catalog.gate.set()
    assert [[type(outcome) for outcome in batch] for batch in catalog.batches] == [[Released], [Stored], [Released]]


async def test_a_batch_is_bounded(catalog: SlowCatalog) -> None:
    """More than a batch holds goes in several."""
    walk = await catalog.begin_walk(make_walk_request(lease=timedelta(0)))
    await catalog.record(walk.id, make_page(*(make_listed(f"s{number}") for number in range(LARGEST_BATCH))))
    catalog.gate.set()
    claims = await catalog.claim(make_claim_request(await catalog.now(), limit=1000))
    registrar = Registrar(catalog, POLICY)
    async with registrar.running():
        await asyncio.gather(*(registrar.settle(Released(claim)) for claim in claims))
    assert [len(batch) for batch in catalog.batches] == [LARGEST_BATCH, 10]


async def test_a_cancelled_waiter_loses_nothing(catalog: SlowCatalog) -> None:
    """Its outcome is written all the same (R1)."""
    first, second = (await claim_all(catalog))[:2]
    registrar = Registrar(catalog, POLICY)
    async with registrar.running():
        waiters = [asyncio.create_task(registrar.settle(Stored(one, make_stored_object()))) for one in (first, second)]
        await turn()
        for waiter in waiters:
            waiter.cancel()
        await asyncio.wait(waiters)
        catalog.gate.set()
        await turn()
    states = [(await catalog.lookup(one.listed.recording_id, ACCOUNT))[0].state for one in (first, second)]
    assert states == [State.STORED, State.STORED]


async def test_only_the_loser_hears_of_a_lost_lease(catalog: SlowCatalog) -> None:
    """An outcome whose lease was taken over is LeaseLost for its waiter; the others of the batch are written (R5)."""
    catalog.gate.set()
    lost, kept = (await claim_all(catalog))[:2]
    catalog.clock.advance(timedelta(hours=1))
    heirs = {heir.row: heir for heir in await claim_all(catalog)}
    registrar = Registrar(catalog, POLICY)
    async with registrar.running():
        outcomes = [Stored(lost, make_stored_object()), Stored(heirs[kept.row], make_stored_object())]
        answers = await asyncio.gather(*map(registrar.settle, outcomes), return_exceptions=True)
    assert [type(answer) for answer in answers] == [LeaseLost, type(None)]


async def test_a_writer_that_gives_up_fails_all(catalog: SlowCatalog) -> None:
    """When the catalog stays away, everyone who waits gets the error, later ones at once, and nobody hangs (R4)."""
    claims = await claim_all(catalog)
    catalog.trouble = CatalogError("newer than the program")
    registrar = Registrar(catalog, POLICY)
    answers: list[object] = []

    async def wait_for_all() -> None:
        tasks = [asyncio.ensure_future(registrar.settle(Released(claim))) for claim in claims]
        await turn()
        catalog.gate.set()
        try:
            await asyncio.sleep(LIMIT_S)
        finally:
            answers.extend(await asyncio.gather(*tasks, return_exceptions=True))

    with pytest.raises(ExceptionGroup) as failure:
        async with registrar.running():
            await wait_for_all()
    assert failure.value.subgroup(CatalogError)
    assert [type(answer) for answer in answers] == [CatalogUnavailable] * len(claims)
    with pytest.raises(CatalogUnavailable):
        await registrar.settle(Released(claims[0]))
