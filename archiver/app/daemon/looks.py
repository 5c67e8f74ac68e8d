"""Looks: now and then, and after every walk, the daemon looks at what the catalog says over all processes.

So it learns who has recovered (another host may have walked the account), whether catalog and storage answer, and what
its operators are to be told.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog

from archiver.app.daemon.vitals import AccountVitals, Vitals
from archiver.app.notices.notices import Notices
from archiver.app.wiring import Archive
from archiver.model.errors import CatalogError, StorageError
from archiver.ports.catalog import AccountStatus

log = structlog.get_logger()

LOOK_EVERY: Final = timedelta(seconds=30)


class Looks:
    """Keeps ``vitals`` true, and feeds ``notices``."""

    def __init__(self, vitals: Vitals, notices: Notices) -> None:
        self._vitals = vitals
        self._notices = notices
        self._soon = asyncio.Event()

    def soon(self) -> None:
        """A walk has ended: look at once."""
        self._soon.set()

    async def run(self, archive: Archive) -> None:
        """Look again and again; a catalog or a storage that does not answer is noted, and asked again."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._soon.wait(), LOOK_EVERY.total_seconds())
            is_cycle = self._soon.is_set()
            self._soon.clear()
            await self._look(archive, is_cycle=is_cycle)

    async def _look(self, archive: Archive, *, is_cycle: bool) -> None:
        try:
            statuses, now = await archive.catalog.status(), await archive.catalog.now()
            self._vitals.catalog_trouble = None
            await self._ask_storage(archive)
            _find_recovered(self._vitals, statuses)
            await self._notices.look(archive.catalog, statuses, self._vitals, now)
        except CatalogError as error:
            self._vitals.catalog_trouble = str(error)
            return
        if is_cycle and self._vitals.is_reached and not any(one.trouble for one in self._vitals.accounts.values()):
            self._notices.beat()

    async def _ask_storage(self, archive: Archive) -> None:
        try:
            await archive.storage.admit()
        except StorageError as error:
            self._vitals.storage_trouble = str(error)
        else:
            self._vitals.storage_trouble = None


def _find_recovered(vitals: Vitals, statuses: Sequence[AccountStatus]) -> None:
    """An account is well again when all its listings were read to the end since its trouble began, by whomever."""
    for status in statuses:
        account = vitals.accounts.get(status.account)
        if account is not None and _is_well(account, status):
            log.info("account_recovered", account=account.name)
            account.recover()


def _is_well(account: AccountVitals, status: AccountStatus) -> bool:
    since, read_at = account.trouble_since, account.read_at(status)
    return since is not None and read_at is not None and read_at > since
