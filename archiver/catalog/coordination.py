"""Rate budgets and scheduled runs over PostgreSQL: each call is one statement; its row orders callers."""

from datetime import datetime, timedelta
from typing import Final

from archiver.catalog.pool import Sessions
from archiver.catalog.queries import load
from archiver.model.account import AccountName
from archiver.ports.coordination import Budget, LatestRun, RunKind, RunLease

_SQL: Final = load("coordination")


class PostgresBudgets:
    """Rate budgets of credentials, for all processes on the catalog."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def reserve(self, budget: Budget, cost: float) -> timedelta:
        """Take shares of a budget; answers the time until they may be used."""
        rows = await self._sessions.fetch(_SQL["reserve"], budget.credential, cost, budget.interval, budget.burst)
        wait: timedelta = rows[0][0]
        return wait

    async def silence(self, budget: Budget, duration: timedelta) -> None:
        """Let nothing go out for this long from now on."""
        await self._sessions.fetch(_SQL["silence"], budget.credential, duration, budget.interval, budget.burst)

    async def silent_for(self, budget: Budget) -> timedelta:
        """How long the silence still lasts."""
        rows = await self._sessions.fetch(_SQL["silent_for"], budget.credential)
        return rows[0][0] if rows else timedelta(0)


class PostgresRuns:
    """Scheduled runs, each of which is one process's."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def begin_run(
        self, account: AccountName, kind: RunKind, fire_at: datetime, lease: timedelta
    ) -> RunLease | None:
        """Begin the run of a fire time; None when it is not ours."""
        rows = await self._sessions.fetch(_SQL["begin_run"], account, kind, fire_at, lease)
        return RunLease(rows[0][0]) if rows else None

    async def latest_run(self, account: AccountName, kind: RunKind) -> LatestRun | None:
        """The run of a kind that was begun last, by whomever."""
        rows = await self._sessions.fetch_anew(_SQL["latest_run"], account, kind)
        return LatestRun(**rows[0]) if rows else None

    async def renew_run(self, run: RunLease, lease: timedelta) -> bool:
        """Hold a run for another ``lease`` from now."""
        return bool(await self._sessions.fetch(_SQL["renew_run"], run, lease))

    async def end_run(self, run: RunLease) -> None:
        """The run is done."""
        await self._sessions.fetch(_SQL["end_run"], run)

    async def release_run(self, run: RunLease) -> None:
        """Give an unfinished run back."""
        await self._sessions.fetch(_SQL["release_run"], run)
