"""The one-shot: one pass over every chosen account, side by side, then the summary."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from archiver.app.signals import Interruption
from archiver.app.summary import AccountSummary, Summary
from archiver.app.wiring import Archive, WiredAccount
from archiver.model.account import AccountName
from archiver.model.errors import ArchiverError
from archiver.model.listing import Window
from archiver.model.recording import State
from archiver.pipeline.passes import AccountPass, Scope
from archiver.pipeline.registrar import Registrar
from archiver.pipeline.tally import Tally
from archiver.ports.catalog import AccountStatus, ClaimRequest


@dataclass(slots=True, kw_only=True)
class Backfill:
    """A backfill over an opened archive. ``tallies`` can be watched while it runs."""

    archive: Archive
    accounts: Sequence[WiredAccount]
    scope: Scope
    tallies: Mapping[AccountName, Tally]
    passes: list[AccountPass] = field(default_factory=list)
    is_draining: bool = False

    async def run(self, interruption: Interruption) -> Summary:
        """Walk every account and fetch what is missing.

        Raises: CatalogError or StorageError when either stayed away; ConfigError when an account points elsewhere.
        """
        started = time.monotonic()
        before = await self._states()
        await self._sweep()
        interruption.drain = self._drain
        registrar = Registrar(self.archive.catalog, self.archive.policy)
        async with registrar.running(), asyncio.TaskGroup() as group:
            for account in self.accounts:
                group.create_task(self._pass(account, registrar))
        interruption.drain = None
        await self._sweep()  # again: what a killed run held at the start has been taken over by now
        return await self.archive.policy.outlast(self._summary, before, time.monotonic() - started)

    async def _sweep(self) -> None:
        if self.scope.fetches:
            await self.archive.policy.outlast(self.archive.storage.sweep, self.archive.catalog.living)

    def _drain(self) -> None:
        self.is_draining = True
        for one in self.passes:
            one.drain()

    async def _pass(self, account: WiredAccount, registrar: Registrar) -> None:
        tally = self.tallies[account.name]
        try:
            real_id = await self.archive.policy.persist(account.provider.identify)
        except ArchiverError as error:
            tally.trouble = error
            return
        policy, catalog = self.archive.policy, self.archive.catalog
        await policy.outlast(catalog.enrol, account.name, account.account.provider, real_id)
        if self.is_draining:
            return
        one = AccountPass(self.archive.means(account, real_id, registrar, tally), self.scope)
        self.passes.append(one)
        await one.run()

    async def _states(self) -> dict[AccountName, AccountStatus]:
        statuses = await self.archive.policy.outlast(self.archive.catalog.status)
        return {status.account: status for status in statuses}

    async def _summary(self, before: Mapping[AccountName, AccountStatus], elapsed_s: float) -> Summary:
        after = await self._states()
        parts = {}
        for account in self.accounts:
            tally = self.tallies[account.name]
            states = after[account.name].states if account.name in after else {}
            gone_before = before[account.name].states[State.GONE] if account.name in before else 0
            parts[account.name] = AccountSummary(
                tally=tally,
                listed=await self._listed(tally),
                gone=max(0, states.get(State.GONE, 0) - gone_before),
                left=await self._left(account, self.scope.window.since_at_least(account.account.since)),
                states=states,
            )
        return Summary(accounts=parts, elapsed_s=elapsed_s)

    async def _listed(self, tally: Tally) -> int:
        """How many distinct recordings were listed. What walks saw is lost when the server crashes; what they recorded
        was listed all the same."""
        walked = await self.archive.catalog.walked([walk.id for walk in tally.walks])
        return max(walked, sum(walk.new for walk in tally.walks))

    async def _left(self, account: WiredAccount, window: Window) -> int:
        request = ClaimRequest(
            account=account.name,
            limit=1,
            lease=self.archive.lease,
            pass_started_at=await self.archive.catalog.now(),
            max_attempts=1,
            covered=window,
        )
        return (await self.archive.catalog.outlook(request)).left
