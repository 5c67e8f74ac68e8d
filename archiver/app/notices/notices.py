"""Notices on their way: found by a look, told by one process, delivered with patience.

A notice is one JSON object, posted to the webhook:

    {"schema": 1, "id": "0b6c…", "event": "account_failing", "state": "begun", "at": "2026-11-26T08:00:00Z",
     "account": "acme-india", "summary": "account acme-india failed 2 times in a row: …", "facts": {…}}

``event`` is one of ``account_failing``, ``expiry_near``, ``damage``, ``suspects``, ``walk_incomplete``; ``state`` is
``begun`` (also when there is more of it) or ``over``. No credentials, no telephone numbers. Each has an id, which is
also the header ``X-Archiver-Delivery``: a notice may arrive twice when an answer gets lost. With a ``secret`` it is
signed: see ``net.hooks``.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import structlog

from archiver.app.config.schema import NotifyConfig
from archiver.app.daemon.vitals import Vitals
from archiver.app.notices.watch import Bounds, Finding, findings
from archiver.model.errors import ArchiverError, CatalogError
from archiver.net.hooks import Hook, HookClient, hook_client
from archiver.pipeline.retry import RetryPolicy
from archiver.ports.catalog import AccountStatus
from archiver.ports.notices import NoticeBoard

log = structlog.get_logger()

DELIVERY: Final = "X-Archiver-Delivery"
PATIENCE: Final = RetryPolicy(max_attempts=8, backoff=timedelta(seconds=2), longest=timedelta(minutes=5))
"""A receiver may be away for some eight minutes; after that the notice is news again at the next look."""

MOST_WAITING: Final = 100
"""So many notices wait for a receiver that is away; further ones are found again later."""


@dataclass(slots=True)
class Notices:
    """Tells operators what ``watch`` finds. ``policy`` says how patiently a receiver is called."""

    config: NotifyConfig
    bounds: Bounds
    client: HookClient
    policy: RetryPolicy = PATIENCE
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    _is_heart_failing: bool = False

    async def look(self, board: NoticeBoard, statuses: Sequence[AccountStatus], vitals: Vitals, now: datetime) -> None:
        """Tell what is news, unless another process did. Raises: CatalogError."""
        if self.config.webhook is None:
            return
        for finding in findings(statuses, vitals, self.bounds, now):
            if len(self._tasks) >= MOST_WAITING:
                return
            if await board.tell(finding.subject, finding.state, finding.amount):
                self._begin(self._deliver(board, finding))

    def beat(self) -> None:
        """A cycle went well: call the heartbeat."""
        if self.config.heartbeat is not None:
            self._begin(self._beat(Hook(url=self.config.heartbeat)))

    async def close(self) -> None:
        """Give up what is on its way; a notice that is given up is news again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, delivery: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(delivery)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, board: NoticeBoard, finding: Finding) -> None:
        """Deliver a notice; one that cannot be delivered is news again."""
        if self.config.webhook is None:
            return
        hook, identity = Hook(url=self.config.webhook, key=self.config.secret), str(uuid4())
        try:
            await self.policy.persist(self.client.call, hook, _body(finding, identity), {DELIVERY: identity})
        except ArchiverError as error:
            log.error("notice_not_delivered", notice=finding.kind, account=finding.account, error=str(error))  # noqa: TRY400 - it tells nothing more
            await _untell(board, finding)
        except asyncio.CancelledError:
            await asyncio.shield(_untell(board, finding))
            raise
        else:
            log.info("notice_delivered", notice=finding.kind, account=finding.account, state=finding.state or "over")

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


async def _untell(board: NoticeBoard, finding: Finding) -> None:
    """What is over, and could not be told, is said to be on; what is on, to be over: either way it is found again."""
    try:
        await board.tell(finding.subject, None if finding.state is not None else "untold")
    except CatalogError as error:
        log.warning("notice_lost", notice=finding.kind, account=finding.account, error=str(error))


def _body(finding: Finding, identity: str) -> bytes:
    document = {
        "schema": 1,
        "id": identity,
        "event": finding.kind,
        "state": "over" if finding.state is None else "begun",
        "at": f"{datetime.now(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z",
        "account": finding.account,
        "summary": finding.summary,
        "facts": finding.facts,
    }
    return json.dumps(document, ensure_ascii=False).encode()


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
