"""Builds the parts and joins them; whatever was opened is closed in reverse order by one exit stack."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path

import structlog

from archiver.app.config.accounts import AccountConfig
from archiver.app.config.load import Config
from archiver.catalog.embedded import embedded_server
from archiver.catalog.migrate import check_version, is_empty, migrate
from archiver.catalog.postgres import Catalog, connect
from archiver.model.account import Account, AccountName
from archiver.model.errors import ConfigError
from archiver.model.objects import KeyTemplate
from archiver.net.http import Bounds, HttpClient
from archiver.net.pacing import AccountPacer
from archiver.pipeline.bandwidth import Bandwidth
from archiver.pipeline.flow import Flow
from archiver.pipeline.passes import AccountPass, Means, Scope
from archiver.pipeline.registrar import Registrar
from archiver.pipeline.retry import RetryPolicy
from archiver.pipeline.store import Shelf
from archiver.pipeline.tally import Tally
from archiver.pipeline.workers import Slots
from archiver.ports.catalog import View
from archiver.ports.provider import Provider
from archiver.ports.storage import Storage
from archiver.providers.registry import PROVIDERS
from archiver.storage.registry import StorageOptions, open_storage
from archiver.storage.s3.options import S3Options

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class WiredAccount:
    """An account with its provider's adapter over its own HTTP client and limiter."""

    account: Account
    provider: Provider

    @property
    def name(self) -> AccountName:
        """The operator's name for it."""
        return self.account.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """What the accounts of this process share.

    ``most_per_account`` leaves a slot for each other account, so that one that hangs in all of its own starves nobody.
    """

    catalog: Catalog
    storage: Storage
    policy: RetryPolicy
    template: KeyTemplate
    has_sidecars: bool
    lease: timedelta
    process_slots: asyncio.Semaphore
    most_per_account: int
    bandwidth: Bandwidth

    def account_pass(
        self, wired: WiredAccount, real_id: str, registrar: Registrar, tally: Tally, scope: Scope
    ) -> AccountPass:
        """A pass over one account."""
        shelf = Shelf(
            storage=self.storage,
            template=self.template,
            account=wired.account,
            real_account_id=real_id,
            has_sidecars=self.has_sidecars,
            policy=self.policy,
        )
        flow = Flow(
            provider=wired.provider,
            shelf=shelf,
            registrar=registrar,
            policy=self.policy,
            tally=tally,
            bandwidth=self.bandwidth,
        )
        means = Means(
            account=wired.account,
            provider=wired.provider,
            intake=self.catalog,
            work=self.catalog,
            flow=flow,
            slots=Slots(
                account=asyncio.Semaphore(min(wired.account.concurrency, self.most_per_account)),
                process=self.process_slots,
            ),
            policy=self.policy,
            lease=self.lease,
        )
        return AccountPass(means, scope)


@asynccontextmanager
async def open_catalog(config: Config) -> AsyncIterator[Catalog]:
    """The catalog, its server started when it is embedded, its schema brought up to date when that is allowed.

    Raises: CatalogError, CatalogUnavailable, ConfigError.
    """
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(catalog_dsn(config))
        if config.catalog.migrate == "auto":
            await migrate(dsn)
        else:
            await check_version(dsn)
        yield await stack.enter_async_context(connect(dsn, config.catalog.pool_size))


@asynccontextmanager
async def open_catalog_to_read(config: Config) -> AsyncIterator[View | None]:
    """The catalog as it is, its schema untouched; None when there is none yet. Raises: as ``open_catalog`` does."""
    if config.catalog.embedded_path is not None and not config.catalog.embedded_path.exists():
        yield None
        return
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(catalog_dsn(config))
        if await is_empty(dsn):
            yield None
            return
        await check_version(dsn)
        yield await stack.enter_async_context(connect(dsn, config.catalog.pool_size))


async def migrate_catalog(config: Config) -> Sequence[str]:
    """Bring the schema up to date, whatever ``migrate`` says; answers the names of what was applied."""
    async with catalog_dsn(config) as dsn:
        return await migrate(dsn)


@asynccontextmanager
async def catalog_dsn(config: Config) -> AsyncIterator[str]:
    """Where the catalog answers, for as long as the context is open: an embedded server is started for it.

    Raises: ConfigError, CatalogError, CatalogUnavailable.
    """
    if config.catalog.embedded_path is None:
        yield config.catalog.dsn.reveal()
        return
    async with embedded_server(config.catalog.embedded_path) as dsn:
        yield dsn


@asynccontextmanager
async def open_archive(config: Config) -> AsyncIterator[Archive]:
    """The catalog and the storage, both reached and found usable.

    Raises: CatalogError, StorageError, ConfigError, each naming the key to look at.
    """
    async with open_catalog(config) as catalog, open_store(config) as storage:
        if any(status.stored_bytes for status in await catalog.status()):
            await storage.admit()  # a lost mount must not be laid out anew, as an empty storage
        policy = retry_policy(config)
        for remark in await policy.persist(storage.probe):
            log.warning("storage_lacks", remark=remark)
        yield Archive(
            catalog=catalog,
            storage=storage,
            policy=policy,
            template=config.storage.key,
            has_sidecars=config.storage.sidecar,
            lease=config.transfer.lease,
            process_slots=asyncio.Semaphore(config.transfer.concurrency),
            most_per_account=max(1, config.transfer.concurrency - len(config.accounts) + 1),
            bandwidth=Bandwidth(config.transfer.bandwidth),
        )


def open_store(config: Config) -> AbstractAsyncContextManager[Storage]:
    """The storage as it is, not probed: for commands that only read. Raises: ConfigError, when it is entered."""
    return open_storage(storage_options(config))


@asynccontextmanager
async def open_accounts(config: Config, names: Collection[str]) -> AsyncIterator[list[WiredAccount]]:
    """The adapters of the chosen accounts, all enabled ones when none is named. Nothing is requested yet."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_open_account(config, chosen)) for chosen in choose(config, names)]


def choose(config: Config, names: Collection[str]) -> list[AccountConfig]:
    """The configured accounts with these names, or all that are enabled.

    Raises: ConfigError when a name is unknown, or nothing is enabled.
    """
    by_name = {account.account.name: account for account in config.accounts}
    if unknown := sorted(set(names) - by_name.keys()):
        known = ", ".join(sorted(by_name))
        raise ConfigError(f"there is no account {unknown[0]!r}", fix=f"name one of: {known}", account=unknown[0])
    chosen = [one for name, one in by_name.items() if (name in names if names else one.account.enabled)]
    if not chosen:
        raise ConfigError(
            "no account is enabled", key="accounts", fix="set enabled = true for one, or name it: --account"
        )
    return chosen


def storage_options(config: Config) -> StorageOptions:
    """What the configuration says about the storage."""
    storage = config.storage
    return StorageOptions(
        url=storage.url,
        folder=Path.cwd(),
        min_free=storage.min_free,
        file_mode=storage.file_mode,
        s3=_s3_options(config) if storage.bucket else None,
    )


def _s3_options(config: Config) -> S3Options:
    transfer, table = config.transfer, config.storage.s3
    return S3Options(
        spool=transfer.spool,
        spool_size=transfer.spool_size,
        connect_timeout=transfer.connect_timeout,
        idle_timeout=transfer.idle_timeout,
        concurrency=transfer.concurrency,
        **{one.name: getattr(table, one.name) for one in fields(table)},
    )


def retry_policy(config: Config) -> RetryPolicy:
    """How this configuration wants failures to be met."""
    return RetryPolicy(max_attempts=config.transfer.max_attempts, backoff=config.transfer.backoff)


@asynccontextmanager
async def _open_account(config: Config, chosen: AccountConfig) -> AsyncIterator[WiredAccount]:
    account, transfer = chosen.account, config.transfer
    bounds = Bounds(
        connect_timeout=transfer.connect_timeout,
        idle_timeout=transfer.idle_timeout,
        max_media_bytes=transfer.max_size,
    )
    async with HttpClient(account, AccountPacer(account.rate_limit, account.burst), bounds) as client:
        provider = PROVIDERS[account.provider].build(account, chosen.options, client)
        yield WiredAccount(account=account, provider=provider)
