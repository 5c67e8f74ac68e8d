"""What ``archiver run`` puts together: the daemon with its endpoint and its notices, or one more process of it."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from archiver.app import systemd
from archiver.app.config.load import Config
from archiver.app.daemon.daemon import Daemon
from archiver.app.daemon.looks import Looks
from archiver.app.daemon.vitals import Vitals
from archiver.app.notices.notices import notifying
from archiver.app.ops.metrics import Counts
from archiver.app.ops.server import Endpoint, serving
from archiver.app.ops.sharing import shared_counts
from archiver.app.signals import Interruption
from archiver.app.wiring import Archive


async def serve(config: Config, reread: Callable[[], Config], interruption: Interruption) -> None:
    """Be the daemon of this host.

    Raises: ConfigError; CatalogError when the catalog cannot be used, however long one waits.
    """
    vitals = Vitals(started_at=datetime.now(UTC))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(systemd.watched())
        stack.enter_context(shared_counts(config.transfer.processes))
        notices = await stack.enter_async_context(notifying(config.notify, config.ops.max_walk_age))
        endpoint = Endpoint(config=config.ops, vitals=vitals, counts=Counts())

        def show(archive: Archive | None) -> None:
            endpoint.glances.source = archive.catalog if archive is not None else None

        daemon = Daemon(
            config=config,
            reread=reread,
            vitals=vitals,
            looks=Looks(vitals, notices),
            counts=endpoint.counts,
            on_archive=show,
            listen=await stack.enter_async_context(serving(endpoint)),
        )
        await daemon.run(interruption)


async def serve_worker(config: Config, reread: Callable[[], Config], interruption: Interruption) -> None:
    """Be one more process of a daemon: carry what falls due. Raises: as ``serve`` does."""
    vitals = Vitals(started_at=datetime.now(UTC))
    daemon = Daemon(config=config, reread=reread, vitals=vitals, looks=None, counts=Counts())
    await daemon.run(interruption)
