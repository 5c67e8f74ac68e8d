"""The roster: which accounts have a duty now. A reload changes it without dropping a download."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import structlog

from archiver.app.config.accounts import AccountConfig
from archiver.app.config.load import Config
from archiver.app.daemon.duty import AccountDuty, Terms
from archiver.app.daemon.schedule import Timetable
from archiver.app.daemon.vitals import AccountVitals, Vitals
from archiver.app.wiring import Shared, open_account
from archiver.model.account import AccountName
from archiver.pipeline.tally import Tally
from archiver.ports.coordination import RunKind

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Post:
    """An account on duty, and the task that does it. ``duty`` is None until what it needs is open."""

    config: AccountConfig
    task: "asyncio.Task[None]"
    duty: AccountDuty | None = None
    is_leaving: bool = False


@dataclass(slots=True, kw_only=True)
class Roster:
    """Starts and drains duties in ``group``."""

    config: Config
    terms: Terms
    vitals: Vitals
    group: asyncio.TaskGroup
    timetable: Timetable = field(init=False)
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    _posts: dict[AccountName, Post] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.timetable = Timetable(self.config.schedule.timezone, self.ring)

    def assign(self, config: Config) -> None:
        """Make the enabled accounts of a configuration those on duty.

        One that left, or whose table changed, finishes its downloads and starts nothing more; a changed one begins
        anew after that. New schedules alone only move the bells.
        """
        self.config, schedule = config, config.schedule
        self.timetable.timezone = schedule.timezone
        self.terms = replace(self.terms, jitter=schedule.jitter, fixity_interval=schedule.fixity_interval)
        wanted = {one.account.name: one for one in config.accounts if one.account.enabled}
        for name in [name for name in self._posts if name not in wanted]:
            self._leave(name)
            del self.vitals.accounts[name]
        for name, account in wanted.items():
            post = self._posts.get(name)
            if post is not None and replace(post.config, schedule=account.schedule) == account:
                post.config = account
                if post.duty is not None:
                    post.duty.terms = self.terms
            else:
                self._enter(account, self._leave(name) if post is not None else None)
            self.timetable.set(name, account.schedule)
            self.vitals.accounts[name].next_walk_at = self.timetable.next_at(name, RunKind.WALK)

    def ring(self, name: AccountName, kind: RunKind, fire_at: datetime, missed: int) -> None:
        """A run of an account is due."""
        duty, vitals = self._duty(name), self.vitals.accounts.get(name)
        if duty is None or vitals is None:
            return
        vitals.missed_runs += missed
        vitals.next_walk_at = self.timetable.next_at(name, RunKind.WALK)
        duty.ring(kind, fire_at)

    def wake(self, name: AccountName) -> None:
        """There may be something to carry for an account."""
        if (duty := self._duty(name)) is not None:
            duty.wake()

    def drain(self) -> None:
        """Let every duty finish what it does."""
        for name in list(self._posts):
            self._leave(name)

    async def done(self) -> None:
        """Return when all who left, or were drained, have finished."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _duty(self, name: AccountName) -> AccountDuty | None:
        post = self._posts.get(name)
        return post.duty if post is not None else None

    def _leave(self, name: AccountName) -> "asyncio.Task[None]":
        post = self._posts.pop(name)
        post.is_leaving = True
        self.timetable.set(name, None)
        if post.duty is not None:
            post.duty.drain()
        return post.task

    def _enter(self, account: AccountConfig, before: "asyncio.Task[None] | None") -> None:
        name = account.account.name
        tally = Tally(meter=self.terms.counts.of(name))
        self.vitals.accounts[name] = AccountVitals(name=name, provider=account.account.provider, tally=tally)
        ready: asyncio.Future[Post] = asyncio.get_running_loop().create_future()
        task = self.group.create_task(self._do_duty(ready, before))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        post = self._posts[name] = Post(config=account, task=task)
        ready.set_result(post)

    async def _do_duty(self, ready: "asyncio.Future[Post]", before: "asyncio.Task[None] | None") -> None:
        post = await ready
        if before is not None:
            await asyncio.wait({before})
        name = post.config.account.name
        if post.is_leaving:
            return
        vitals = self.vitals.accounts[name]
        shared = Shared(budgets=self.terms.archive.catalog, meter=vitals.tally.meter)
        async with open_account(self.config, post.config, shared) as wired:
            post.duty = AccountDuty(
                config=post.config,
                wired=wired,
                terms=self.terms,
                vitals=vitals,
                tally=vitals.tally,
                missed=partial(self.timetable.missed, name),
            )
            if not post.is_leaving:
                await post.duty.run()
