"""Rate budgets and scheduled runs in memory, for as many processes as are given them; the time is a given clock's."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from archiver.model.account import AccountName
from archiver.model.errors import CatalogUnavailable
from archiver.ports.coordination import Budget, LatestRun, RunKind, RunLease

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING = timedelta(0)
_AHEAD = timedelta(minutes=5)


@dataclass(slots=True)
class _Run:
    fire_at: datetime
    lease: RunLease
    held_until: datetime | None
    has_ended: bool = False


class FakeCoordination:
    """``Budgets`` and ``Runs``. While ``is_away`` is set nothing answers."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.is_away = False
        self._now = now
        self._full_at: dict[str, datetime] = {}
        self._silent_until: dict[str, datetime] = {}
        self._accounts: set[AccountName] = set()
        self._runs: dict[tuple[AccountName, RunKind], _Run] = {}

    async def enrol(self, account: AccountName, *_: str) -> None:
        """Know an account."""
        self._accounts.add(account)

    async def reserve(self, budget: Budget, cost: float) -> timedelta:
        """Take shares of a budget; answers the time until they may be used."""
        self._answer()
        now, name = self._now(), budget.credential
        self._full_at[name] = max(self._full_at.get(name, _EPOCH), now) + cost * budget.interval
        usable_at = self._full_at[name] - max(cost, budget.burst) * budget.interval
        return max(usable_at - now, self._silent_until.get(name, _EPOCH) - now, _NOTHING)

    async def silence(self, budget: Budget, duration: timedelta) -> None:
        """Let nothing go out for this long from now on."""
        self._answer()
        until, name = self._now() + duration, budget.credential
        self._silent_until[name] = max(self._silent_until.get(name, _EPOCH), until)
        self._full_at[name] = max(self._full_at.get(name, _EPOCH), until + (budget.burst - 1) * budget.interval)

    async def silent_for(self, budget: Budget) -> timedelta:
        """How long the silence still lasts."""
        self._answer()
        return max(self._silent_until.get(budget.credential, _EPOCH) - self._now(), _NOTHING)

    async def begin_run(
        self, account: AccountName, kind: RunKind, fire_at: datetime, lease: timedelta
    ) -> RunLease | None:
        """Begin the run of a fire time; None when it is not ours."""
        self._answer()
        if account not in self._accounts:
            return None
        run, now = self._runs.get((account, kind)), self._now()
        if run is not None:
            if run.held_until is not None and run.held_until > now:
                return None
            is_wrong = run.fire_at > now + _AHEAD
            if run.has_ended and fire_at <= run.fire_at and not is_wrong:
                return None
            fire_at = fire_at if is_wrong else max(fire_at, run.fire_at)
        begun = RunLease(uuid4())
        self._runs[account, kind] = _Run(fire_at, begun, now + lease)
        return begun

    async def latest_run(self, account: AccountName, kind: RunKind) -> LatestRun | None:
        """The run of a kind that was begun last."""
        self._answer()
        run = self._runs.get((account, kind))
        return LatestRun(fire_at=run.fire_at, is_done=run.has_ended) if run else None

    async def renew_run(self, run: RunLease, lease: timedelta) -> bool:
        """Hold a run for another ``lease`` from now."""
        self._answer()
        held = self._held(run)
        if held is not None:
            held.held_until = self._now() + lease
        return held is not None

    async def end_run(self, run: RunLease) -> None:
        """The run is done."""
        self._answer()
        if (held := self._held(run)) is not None:
            held.has_ended, held.held_until = True, None

    async def release_run(self, run: RunLease) -> None:
        """Give an unfinished run back."""
        self._answer()
        if (held := self._held(run)) is not None:
            held.held_until = None

    def _held(self, lease: RunLease) -> _Run | None:
        return next((run for run in self._runs.values() if run.lease == lease and not run.has_ended), None)

    def _answer(self) -> None:
        if self.is_away:
            raise CatalogUnavailable("away")
