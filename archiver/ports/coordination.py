"""What processes on any number of hosts ask of the catalog to work side by side. All times are the catalog's clock.

Every method may raise ``CatalogUnavailable`` and ``CatalogError``, as those of the other ports of the catalog do.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Protocol
from uuid import UUID

from archiver.model.account import AccountName

RunLease = NewType("RunLease", UUID)


class RunKind(StrEnum):
    """What a schedule asks for."""

    WALK = "walk"
    FULL_WALK = "full_walk"
    VERIFY = "verify"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The rate that a credential has, over all processes: a share every ``interval``, ``burst`` of them at once.

    ``credential`` names it without any secret.
    """

    credential: str
    interval: timedelta
    burst: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestRun:
    """The scheduled run of a kind that was begun last: its fire time, and whether it was done."""

    fire_at: datetime
    is_done: bool


class Budgets(Protocol):
    """Rate budgets. They hold for every process on the catalog that names the same credential."""

    async def reserve(self, budget: Budget, cost: float) -> timedelta:
        """Take shares of a budget; answers the time until they may be used, 0 for now.

        They are taken in the order of asking, and are lost when they are not used. What costs more than the burst
        waits for a full bucket and is paid off before the next.
        """

    async def silence(self, budget: Budget, duration: timedelta) -> None:
        """Let nothing go out for this long from now on; an earlier, longer silence is not shortened.

        After it the bucket is empty, but for one share.
        """

    async def silent_for(self, budget: Budget) -> timedelta:
        """How long the silence still lasts; 0 when there is none."""


class Runs(Protocol):
    """Scheduled runs: each fire time of an account's schedule is one process's."""

    async def begin_run(
        self, account: AccountName, kind: RunKind, fire_at: datetime, lease: timedelta
    ) -> RunLease | None:
        """Begin the run of a fire time, held under a lease. None when it is not ours: it was done, or somebody does it.

        A run that was given back, or whose lease ran out, is taken over. A newer fire time makes up for older ones;
        none begins while another run of the kind is held. The account must be enrolled.
        """

    async def latest_run(self, account: AccountName, kind: RunKind) -> LatestRun | None:
        """The run of a kind that was begun last, by whomever; None when none ever was."""

    async def renew_run(self, run: RunLease, lease: timedelta) -> bool:
        """Hold a run for another ``lease`` from now; False when somebody else took it over."""

    async def end_run(self, run: RunLease) -> None:
        """The run is done: its fire time is never begun again. May be repeated."""

    async def release_run(self, run: RunLease) -> None:
        """Give an unfinished run back, to be taken over at once."""
