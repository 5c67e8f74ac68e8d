"""Notices on their way: found by a look, delivered by one process, with patience.

A notice is one JSON object, posted to the webhook:

    {"schema": 1, "id": "0b6c…", "event": "account_failing", "state": "begun", "at": "2026-11-26T08:00:00Z",
     "account": "acme-india", "summary": "account acme-india failed 2 times in a row: …", "facts": {…}}

``event`` is one of ``account_failing``, ``expiry_near``, ``damage``, ``suspects``, ``walk_incomplete``; ``state`` is
``begun`` (also when there is more of it) or ``over``. No credentials, no telephone numbers: texts pass the same mask
as logs, because what a provider or a library said of an error is among them.

Each has an id, which is also the header ``X-Archiver-Delivery``. A notice arrives at least once: it comes again, with
its id, when an answer got lost or the process that had it died. With a ``secret`` it is signed: see ``net.hooks``.
"""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from archiver.app.config.schema import NotifyConfig
from archiver.app.daemon.vitals import Vitals
from archiver.app.logs import mask
from archiver.app.notices.watch import Bounds, Finding, findings
from archiver.model.errors import ArchiverError, CatalogError
from archiver.net.hooks import Hook, HookClient, hook_client
from archiver.pipeline.retry import RetryPolicy
from archiver.ports.catalog import AccountStatus
from archiver.ports.notices import NoticeBoard

log = structlog.get_logger()

DELIVERY: Final = "X-Archiver-Delivery"
PATIENCE: Final = RetryPolicy(max_attempts=11, backoff=timedelta(seconds=2), longest=timedelta(minutes=5))
"""A receiver may be away for a quarter of an hour."""

LEASE: Final = timedelta(minutes=20)
"""What is not delivered by then is any process's to deliver, this one's too."""

MOST_WAITING: Final = 100
"""So many notices wait for a receiver that is away; further ones are found again later."""

_NUMBER: Final = re.compile(r"\+\d[\d ()-]{5,}\d")
"""A telephone number as it is written in full; without its + it cannot be told from an id."""


@dataclass(slots=True)
class Notices:
    """Tells operators what ``watch`` finds. ``policy`` says how patiently a receiver is called."""

    config: NotifyConfig
    bounds: Bounds
    client: HookClient
    policy: RetryPolicy = PATIENCE
    lease: timedelta = LEASE
    _board: NoticeBoard | None = None
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    _turns: "defaultdict[str, asyncio.Lock]" = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _is_heart_failing: bool = False

    async def look(self, board: NoticeBoard, statuses: Sequence[AccountStatus], vitals: Vitals, now: datetime) -> None:
        """Tell what is news, unless another process does. Raises: CatalogError."""
        self._board = board
        if self.config.webhook is None:
            return
        hook = Hook(url=self.config.webhook, key=self.config.secret)
        for finding in findings(statuses, vitals, self.bounds, now):
            if len(self._tasks) >= MOST_WAITING:
                return
            notice = await board.tell(finding.standing, self.lease)
            if notice is not None:
                self._begin(self._deliver(hook, finding, notice))

    def beat(self) -> None:
        """A cycle went well: call the heartbeat."""
        if self.config.heartbeat is not None:
            self._begin(self._beat(Hook(url=self.config.heartbeat)))

    async def close(self) -> None:
        """Give up what is on its way; a notice is left to whoever looks after its lease."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, delivery: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(delivery)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, hook: Hook, finding: Finding, notice: str) -> None:
        """Deliver a notice after those of the same subject: that it is over is told after that it begun."""
        told = {"notice": finding.kind, "account": finding.account, "state": finding.state or "over"}
        body, turn = _body(finding, notice), self._turns[finding.subject]
        try:
            async with asyncio.timeout(self.lease.total_seconds()), turn:
                await self.policy.persist(self.client.call, hook, body, {DELIVERY: notice})
        except (ArchiverError, TimeoutError) as error:
            log.error("notice_not_delivered", **told, error=str(error) or "in time")  # noqa: TRY400 - it tells no more
            return
        log.info("notice_delivered", **told)
        await self._note(finding.subject, notice)

    async def _note(self, subject: str, notice: str) -> None:
        """Note that a notice arrived, on the board of the latest look: the one that it was found on may be closed."""
        try:
            if self._board is not None:
                await self._board.delivered(subject, notice)
        except CatalogError as error:
            log.warning("notice_comes_again", subject=subject, error=str(error))

    async def _beat(self, hook: Hook) -> None:
        try:
            await self.client.call(hook)
        except ArchiverError as error:
            if not self._is_heart_failing:
                log.warning("heartbeat_failed", error=str(error))
            self._is_heart_failing = True
        else:
            if self._is_heart_failing:
                log.info("heartbeat_works_again")
            self._is_heart_failing = False


def _body(finding: Finding, notice: str) -> bytes:
    texts = {"summary": finding.summary, "facts": finding.facts}
    document = {
        "schema": 1,
        "id": notice,
        "event": finding.kind,
        "state": "over" if finding.state is None else "begun",
        "at": f"{datetime.now(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z",
        "account": finding.account,
        **mask(None, "", texts),
    }
    return _NUMBER.sub("[number]", json.dumps(document, ensure_ascii=False)).encode()


@asynccontextmanager
async def notifying(config: NotifyConfig, max_walk_age: timedelta) -> AsyncIterator[Notices]:
    """Notices for as long as this is open; what is not delivered by then is given up."""
    bounds = Bounds(failing_intervals=config.failing_intervals, max_walk_age=max_walk_age)
    async with hook_client() as client:
        notices = Notices(config, bounds, client)
        try:
            yield notices
        finally:
            await notices.close()
