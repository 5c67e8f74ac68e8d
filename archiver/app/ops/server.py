"""The endpoint itself: four addresses, read-only, each answered within seconds whatever the catalog does.

    /healthz   200 while the event loop turns; asks nobody
    /readyz    200 or 503, with the reasons: see ``readiness``
    /metrics   for Prometheus: see ``metrics``
    /          for people: see ``page``

With a token in the configuration every address asks for it, and beyond loopback there has to be one: see ``gate``.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from archiver.app.config.schema import OpsConfig
from archiver.app.config.values import Address
from archiver.app.daemon.vitals import Vitals
from archiver.app.ops.gate import bounded, guarded
from archiver.app.ops.glance import Figures, Glance, Glances
from archiver.app.ops.metrics import CONTENT_TYPE, Counts
from archiver.app.ops.page import Sight, render
from archiver.app.ops.readiness import Reason, account_reasons, explained, process_reasons, trouble_reasons, unreachable
from archiver.model.errors import CatalogError, ConfigError

_IDLE_S: Final = 75.0
"""A connection without a request is closed after so long."""

_LIBRARY_LOG: Final = logging.getLogger("archiver.ops")
# It would report each request of a stranger that is no HTTP as an error of ours
_LIBRARY_LOG.setLevel(logging.CRITICAL)


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """What the addresses answer from."""

    config: OpsConfig
    vitals: Vitals
    counts: Counts
    glances: Glances = field(default_factory=Glances)

    async def alive(self, _request: web.Request) -> web.Response:
        """The loop turns."""
        return web.json_response({"alive": True})

    async def ready(self, _request: web.Request) -> web.Response:
        """Whether the archive is fresh, and why not."""
        _, reasons = await self._judge()
        answer = {"ready": not reasons, "reasons": [reason.as_json() for reason in reasons]}
        return web.json_response(answer, status=503 if reasons else 200)

    async def metrics(self, _request: web.Request) -> web.Response:
        """What Prometheus scrapes; without the catalog what this host counted itself."""
        try:
            glance = await self.glances.glance()
        except CatalogError:
            glance = None
        return web.Response(body=self.counts.render(glance, self.vitals), headers={"Content-Type": CONTENT_TYPE})

    async def page(self, _request: web.Request) -> web.Response:
        """The status page; while the catalog is away, how far everything was when it last answered."""
        (glance, reasons), figures = await asyncio.gather(self._judge(), self._figures())
        sight = Sight(
            now=datetime.now(UTC) if glance is None else glance.at,
            glance=glance or self.glances.latest,
            is_current=glance is not None,
            figures=figures,
            reasons=reasons,
            vitals=self.vitals,
        )
        return web.Response(text=render(sight), content_type="text/html")

    async def _figures(self) -> Figures | None:
        try:
            return await self.glances.figures()
        except CatalogError:
            return None

    async def _judge(self) -> tuple[Glance | None, list[Reason]]:
        """A glance, None while the catalog is away, and the reasons; without one these are of the latest there was."""
        reasons = list(process_reasons(self.vitals))
        try:
            glance = await self.glances.glance()
        except CatalogError as error:
            if self.vitals.catalog_trouble is None and (self.glances.source is not None or not reasons):
                reasons.append(unreachable(error))
            latest, now = self.glances.latest, datetime.now(UTC)
            found = trouble_reasons(self.vitals, now) if latest is None else self._reasons(latest, now)
            return None, [*reasons, *found]
        return glance, [*reasons, *self._reasons(glance, glance.at)]

    def _reasons(self, glance: Glance, now: datetime) -> Iterator[Reason]:
        return explained(account_reasons(glance.statuses, self.vitals, self.config, now), glance.waiting)


@asynccontextmanager
async def serving(endpoint: Endpoint) -> AsyncIterator[str | None]:
    """Serve the endpoint while this is open; answers ``host:port``, None when the configuration turns it off.

    Raises: ConfigError when the address cannot be listened on.
    """
    listen = endpoint.config.listen
    if listen is None:
        yield None
        return
    app = web.Application(middlewares=[guarded(endpoint.config.token)], client_max_size=1024)
    app.router.add_get("/healthz", endpoint.alive)
    app.router.add_get("/readyz", endpoint.ready)
    app.router.add_get("/metrics", endpoint.metrics)
    app.router.add_get("/", endpoint.page)
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_LIBRARY_LOG,
        handle_signals=False,
        keepalive_timeout=_IDLE_S,
        shutdown_timeout=1.0,
    )
    await runner.setup()
    try:
        listener = await _listen(runner, listen)
        try:
            host, port, *_ = listener.sockets[0].getsockname()
            yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        finally:
            listener.close()
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, listen: Address) -> asyncio.Server:
    assert runner.server is not None, "it is set up"
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(bounded(runner.server), listen.host, listen.port)
    except OSError as error:
        message = f"{listen.host}:{listen.port} cannot be listened on: {error.strerror or error}"
        fix = 'stop what listens there, or set another one, or "" for none'
        raise ConfigError(message, key="ops.listen", fix=fix) from error
