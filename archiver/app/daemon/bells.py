"""Bells: the runs of an account that are due, until somebody answers them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from archiver.ports.coordination import RunKind


@dataclass(slots=True)
class Bells:
    """The latest fire time of each kind that was rung for. A run that another host has is looked at again, since that
    host may die of it; one that is owed is answered with the next bell."""

    _rung: dict[RunKind, datetime] = field(default_factory=dict)
    _elsewhere: dict[RunKind, datetime] = field(default_factory=dict)
    _owed: dict[RunKind, datetime] = field(default_factory=dict)
    _event: asyncio.Event = field(default_factory=asyncio.Event)

    def ring(self, kind: RunKind, fire_at: datetime) -> bool:
        """A run is due; answers whether it makes up for one that nobody has answered yet."""
        is_late = kind in self._rung
        self._rung[kind] = fire_at
        self._event.set()
        return is_late

    def wake(self) -> None:
        """Let ``wait`` return, with nothing to answer."""
        self._event.set()

    def leave(self, kind: RunKind, fire_at: datetime) -> None:
        """Another host has this run."""
        self._elsewhere[kind] = fire_at

    def owe(self, kind: RunKind, fire_at: datetime) -> None:
        """This run could not be done now."""
        self._owed[kind] = fire_at

    async def wait(self, look_again: timedelta) -> bool:
        """Wait for a bell; False when there are only runs of others to be looked at again, after ``look_again``."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), look_again.total_seconds() if self._elsewhere else None)
        self._event.clear()
        return bool(self._rung)

    def take(self) -> Sequence[tuple[RunKind, datetime]]:
        """All that is to be answered, full walks first: the incremental one has little to do after it."""
        due = {**self._elsewhere, **self._rung}
        if self._rung:
            due = {**self._owed, **due}
            self._owed = {}
        self._rung, self._elsewhere = {}, {}
        return sorted(due.items(), key=lambda run: run[0] is not RunKind.FULL_WALK)
