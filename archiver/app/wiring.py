"""Builds the parts and joins them; whatever was opened is closed in reverse order by one exit stack."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from pathlib import Path

import structlog

from archiver.app.config.accounts import AccountConfig
from archiver.app.config.load import Config
from archiver.app.config.values import split_url
from archiver.catalog.embedded import embedded_server
from archiver.catalog.listening import listening_at
from archiver.catalog.migrate import check_version, is_empty, migrate
from archiver.catalog.postgres import Catalog, connect
from archiver.model.account import Account, AccountName
from archiver.model.errors import ConfigError
from archiver.model.objects import KeyTemplate
from archiver.net.http import Bounds, HttpClient
from archiver.net.pacing import AccountPacer, ToldPacer, budget_of, shared_pacer
from archiver.pipeline.bandwidth import Bandwidth
from archiver.pipeline.flow import Flow
from archiver.pipeline.passes import Means
from archiver.pipeline.registrar import Registrar
from archiver.pipeline.retry import PATIENCE, RetryPolicy
from archiver.pipeline.store import Shelf
from archiver.pipeline.tally import Tally
from archiver.pipeline.workers import Slots
from archiver.ports.catalog import View
from archiver.ports.coordination import Budgets
from archiver.ports.metering import Meter
from archiver.ports.pacing import Pacer
from archiver.ports.provider import Provider
from archiver.ports.storage import Storage
from archiver.providers.registry import PROVIDERS
from archiver.storage.registry import StorageOptions, open_storage
from archiver.storage.s3.options import S3Options

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What accounts share with others: the rate ``budgets`` of all processes (None: this process has its own rate), and
    the ``meter`` that is told of every request."""

    budgets: Budgets | None = None
    meter: Meter | None = None


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
    ``dsn`` is where the catalog answers.
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
    dsn: str

    def means(self, wired: WiredAccount, real_id: str, registrar: Registrar, tally: Tally) -> Means:
        """What is needed to walk and fetch one account, whose id at its provider is ``real_id``."""
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
        return Means(
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


@asynccontextmanager
async def open_catalog(config: Config) -> AsyncIterator[Catalog]:
    """The catalog, its server started when it is embedded, its schema brought up to date when that is allowed.

    Raises: CatalogError, CatalogUnavailable, ConfigError.
    """
    async with _open_catalog_at(config) as (catalog, _):
        yield catalog


@asynccontextmanager
async def _open_catalog_at(config: Config) -> AsyncIterator[tuple[Catalog, str]]:
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(catalog_dsn(config))
        if config.catalog.migrate == "auto":
            await migrate(dsn)
        else:
            await check_version(dsn)
        yield await stack.enter_async_context(connect(dsn, config.catalog.pool_size)), dsn


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
async def open_archive(config: Config, patience: timedelta | None = PATIENCE) -> AsyncIterator[Archive]:
    """The catalog and the storage, both reached and found usable. ``patience`` is how long they may be away later; None
    for ever.

    Raises: CatalogError, StorageError, ConfigError, each naming the key to look at.
    """
    async with _open_catalog_at(config) as (catalog, dsn), open_store(config) as storage:
        if any(status.stored_bytes for status in await catalog.status()):
            await storage.admit()  # a lost mount must not be laid out anew, as an empty storage
        policy = replace(retry_policy(config), patience=patience)
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
            dsn=dsn,
        )


def open_store(config: Config) -> AbstractAsyncContextManager[Storage]:
    """The storage as it is, not probed: for commands that only read. Raises: ConfigError, when it is entered."""
    return open_storage(storage_options(config))


@asynccontextmanager
async def open_accounts(
    config: Config, names: Collection[str], shared: Shared = Shared()
) -> AsyncIterator[list[WiredAccount]]:
    """The adapters of the chosen accounts, all enabled ones when none is named. Nothing is requested yet."""
    async with AsyncExitStack() as stack:
        chosen = choose(config, names)
        yield [await stack.enter_async_context(open_account(config, one, shared)) for one in chosen]


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
async def open_account(config: Config, chosen: AccountConfig, shared: Shared = Shared()) -> AsyncIterator[WiredAccount]:
    """The adapter of one account."""
    account, transfer = chosen.account, config.transfer
    bounds = Bounds(
        connect_timeout=transfer.connect_timeout,
        idle_timeout=transfer.idle_timeout,
        max_media_bytes=transfer.max_size,
    )
    async with AsyncExitStack() as stack:
        own = AccountPacer(account.rate_limit, account.burst)
        pacer: Pacer = own
        if shared.budgets is not None:
            budget = budget_of(_credential(chosen), account.rate_limit, account.burst)
            pacer = await stack.enter_async_context(shared_pacer(shared.budgets, budget, own))
        if shared.meter is not None:
            pacer = ToldPacer(pacer, shared.meter.silenced)
        trace = shared.meter.requested if shared.meter is not None else None
        client = await stack.enter_async_context(HttpClient(account, pacer, bounds, trace))
        provider = PROVIDERS[account.provider].build(account, chosen.options, client)
        yield WiredAccount(account=account, provider=provider)


def _credential(chosen: AccountConfig) -> str:
    """What accounts that share a rate have in common: the provider, its host, and whose credentials they are."""
    account = chosen.account
    return f"{account.provider} {split_url(account.base_url).netloc} {chosen.options.credential}"


@asynccontextmanager
async def listening(config: Config, dsn: str, on_work: Callable[[AccountName], None]) -> AsyncIterator[None]:
    """Call ``on_work`` for every account that another process found new recordings of, as far as that can be heard."""
    own = config.catalog.listen_dsn
    async with listening_at(own.reveal() if own else dsn, on_work):
        yield
