"""The looks themselves, taken side by side, each bounded in time."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Final

from archiver.app.check.findings import ACCOUNTS, CATALOG, CLOCK, CONFIGURATION, STORAGE, Finding, problem
from archiver.app.check.folders import require_embedded, require_folder, user
from archiver.app.config.accounts import AccountConfig
from archiver.app.config.load import Config
from archiver.app.wiring import catalog_dsn, storage_options
from archiver.catalog.migrate import lacking
from archiver.catalog.server import ask_server
from archiver.model.errors import (
    ArchiverError,
    CatalogError,
    CatalogUnavailable,
    ConfigError,
    StorageError,
    Unreachable,
)
from archiver.model.listing import Window
from archiver.model.units import format_size
from archiver.net.http import Bounds, HttpClient
from archiver.net.pacing import AccountPacer
from archiver.ports.provider import Provider
from archiver.providers.registry import PROVIDERS
from archiver.storage.registry import open_storage

_WITHIN: Final = timedelta(seconds=30)
_ANSWER_WITHIN: Final = timedelta(seconds=20)
_BURST: Final = 40
"""What the few requests of a look cost, a login included, so that none of them waits for its turn."""

_WORST_SKEW: Final = timedelta(seconds=30)
_WORST_SKEW_OF_THE_CATALOG: Final = timedelta(seconds=5)
_MIGRATE: Final = "run: archiver migrate"


@dataclass(slots=True, kw_only=True)
class Check:
    """One check of a configuration. ``skews`` are the clocks that were seen so far, each minus ours."""

    config: Config
    is_offline: bool
    skews: dict[str, timedelta] = field(default_factory=dict)

    @property
    def wheres(self) -> Sequence[str]:
        """What findings of this configuration are about."""
        accounts = (f"{ACCOUNTS}.{one.account.name}" for one in self.config.accounts)
        return (CONFIGURATION, CATALOG, STORAGE, *accounts, CLOCK)

    async def run(self, tell: Callable[[Finding], None]) -> Sequence[Finding]:
        """Take every look, side by side; ``tell`` hears of each in their order, as soon as it can be told."""
        told: list[Finding] = []
        async with asyncio.TaskGroup() as group:
            for task in [group.create_task(bounded(where, look)) for where, look in self._looks()]:
                for finding in await task:
                    tell(finding)
                    told.append(finding)
        if self.skews:
            told.append(judge_clock(self.skews))
            tell(told[-1])
        return told

    def _looks(self) -> Iterator[tuple[str, AsyncIterator[Finding]]]:
        yield CATALOG, self._look_at_catalog()
        yield STORAGE, self._look_at_storage()
        enabled = [one for one in self.config.accounts if one.account.enabled]
        for one in enabled:
            yield f"{ACCOUNTS}.{one.account.name}", self._look_at_account(one)
        if not enabled:
            yield ACCOUNTS, _miss_accounts()

    async def _look_at_catalog(self) -> AsyncIterator[Finding]:
        path = self.config.catalog.embedded_path
        if path is not None:
            await asyncio.to_thread(require_embedded, path)
            if not (path / "data").exists():
                yield self._absent(path)
                return
        if self.is_offline:
            yield Finding(where=CATALOG, message=f"embedded in {path}, not started" if path else "a server, not asked")
            return
        async with catalog_dsn(self.config) as dsn:
            server = await ask_server(dsn)
            self.skews[CATALOG] = server.now - datetime.now(UTC)
            for error in server.troubles(self.config.catalog.pool_size * self.config.transfer.processes):
                yield problem(CATALOG, error)
            schema = await self._look_at_schema(dsn, is_empty=server.is_empty)
            yield Finding(where=CATALOG, message=f"PostgreSQL {server.version}, {schema}")

    def _absent(self, path: Path) -> Finding:
        message = f"nothing is in {path} yet"
        if self.config.catalog.migrate == "manual":
            return problem(CATALOG, CatalogError(f'{message}, and migrate = "manual"', fix=_MIGRATE))
        return Finding(where=CATALOG, message=f"{message}; the first run will create it")

    async def _look_at_schema(self, dsn: str, *, is_empty: bool) -> str:
        missing = await lacking(dsn)
        if not missing:
            return "schema up to date"
        if self.config.catalog.migrate == "manual":
            raise CatalogError(f"the catalog's schema lacks {', '.join(missing)}", fix=_MIGRATE)
        return "no schema yet; the first run will create it" if is_empty else "the next run will update its schema"

    async def _look_at_storage(self) -> AsyncIterator[Finding]:
        options = self.config.storage
        place = options.url.removeprefix("file:")
        async with open_storage(storage_options(self.config)) as storage:
            if self.is_offline:
                folder = options.directory or self.config.transfer.spool
                await asyncio.to_thread(require_folder, folder, options.min_free)
                yield Finding(where=STORAGE, message=f"{place}, not written to")
                return
            lacks = await storage.probe()
            await storage.admit()
        room = f", {format_size(shutil.disk_usage(place).free)} free" if options.directory else ""
        yield Finding(where=STORAGE, message=f"{place}, written and read back as {user()}{room}")
        for remark in lacks:
            yield Finding(where=STORAGE, message=remark)

    async def _look_at_account(self, chosen: AccountConfig) -> AsyncIterator[Finding]:
        account, transfer = replace(chosen.account, page_size=1), self.config.transfer
        where = f"{ACCOUNTS}.{account.name}"
        bounds = Bounds(
            connect_timeout=transfer.connect_timeout,
            idle_timeout=transfer.idle_timeout,
            answer_timeout=_ANSWER_WITHIN,
        )
        pacer = AccountPacer(account.rate_limit, max(account.burst, _BURST))
        async with HttpClient(account, pacer, bounds) as client:
            provider = PROVIDERS[account.provider].build(account, chosen.options, client)
            if self.is_offline:
                yield Finding(where=where, message=f"{account.provider}, not asked")
                return
            try:
                message = await _look_at_listing(provider)
            finally:
                if client.skew is not None:
                    self.skews[where] = client.skew
            yield Finding(where=where, message=message)


def judge_clock(skews: Mapping[str, timedelta]) -> Finding:
    """Whether our clock agrees with those of others, given as theirs minus ours."""
    off = {where: skew for where, skew in skews.items() if abs(skew) > _tolerance(where)}
    if not off:
        worst = max(1, *(ceil(abs(skew).total_seconds()) for skew in skews.values()))
        return Finding(where=CLOCK, message=f"within {worst} s of all that answered")
    told = [
        f"{abs(skew).total_seconds():,.0f} s {'behind' if skew > timedelta(0) else 'ahead of'} that of {where}"
        for where, skew in off.items()
    ]
    fix = "let both sides keep time by NTP (here: timedatectl set-ntp true); waits, tokens and signatures depend on it"
    return problem(CLOCK, ArchiverError(f"the clock here is {', '.join(told)}", fix=fix))


def _tolerance(where: str) -> timedelta:
    return _WORST_SKEW_OF_THE_CATALOG if where == CATALOG else _WORST_SKEW


async def bounded(where: str, look: AsyncIterator[Finding], within: timedelta = _WITHIN) -> Sequence[Finding]:
    """What a look comes to, an error or the end of its time included."""
    findings = []
    try:
        async with asyncio.timeout(within.total_seconds()):
            async for finding in look:
                findings.append(finding)  # noqa: PERF401 - those before an error count too
    except ArchiverError as error:
        findings.append(problem(where, error))
    except TimeoutError:
        kind = {CATALOG: CatalogUnavailable, STORAGE: StorageError}.get(where, Unreachable)
        findings.append(problem(where, kind(f"no answer within {within.total_seconds():.0f} s")))
    return findings


async def _miss_accounts() -> AsyncIterator[Finding]:
    yield problem(ACCOUNTS, ConfigError("no account is enabled", fix="set enabled = true for one"))


async def _look_at_listing(provider: Provider) -> str:
    """Ask for the first page of the first listing, of the last day where a time must be named."""
    await provider.identify()
    listing, *_ = await provider.listings()
    now = datetime.now(UTC)
    window = Window(now - timedelta(days=1), now) if provider.capabilities.windows else Window()
    page = await provider.list_page(listing, window, None)
    holds = "answers" if page.total is None else f"holds {page.total:,}"
    return f"credentials accepted; listing {listing.name} {holds}"
