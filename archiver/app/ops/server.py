"""The endpoint itself: four addresses, read-only, each answered within seconds whatever the catalog does.

    /healthz   200 while the event loop turns; asks nobody
    /readyz    200 or 503, with the reasons: see ``readiness``
    /metrics   for Prometheus: see ``metrics``
    /          for people: see ``page``

With a token in the configuration every address asks for it; beyond loopback the configuration demands one (S6).
"""

import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from archiver.app.config.schema import OpsConfig
from archiver.app.daemon.vitals import Vitals
from archiver.app.ops.glance import Glances
from archiver.app.ops.metrics import CONTENT_TYPE, Counts
from archiver.app.ops.page import render
from archiver.app.ops.readiness import Reason, account_reasons, process_reasons
from archiver.model.errors import CatalogError, ConfigError
from archiver.model.secret import Secret
from archiver.ports.catalog import AccountStatus

log = structlog.get_logger()

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "archiver",
    "X-Content-Type-Options": "nosniff",
}


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
        statuses, at = await self._known()
        return web.Response(body=self.counts.render(statuses, self.vitals, at), headers={"Content-Type": CONTENT_TYPE})

    async def page(self, _request: web.Request) -> web.Response:
        """The status page."""
        statuses, reasons = await self._judge()
        try:
            figures = await self.glances.figures()
        except CatalogError:
            figures = None
        text = render(statuses, reasons, figures, self.vitals)
        return web.Response(text=text, content_type="text/html")

    async def _known(self) -> tuple[Sequence[AccountStatus], datetime]:
        try:
            glance = await self.glances.glance()
        except CatalogError:
            return (), datetime.now(UTC)
        return glance.statuses, glance.at

    async def _judge(self) -> tuple[Sequence[AccountStatus], list[Reason]]:
        reasons = list(process_reasons(self.vitals))
        try:
            glance = await self.glances.glance()
        except CatalogError as error:
            if not reasons:
                reasons.append(Reason(account=None, code=error.code, seconds=0, limit=0, message=str(error)))
            return (), reasons
        reasons += account_reasons(glance.statuses, self.vitals, self.config, glance.at)
        return glance.statuses, reasons


@asynccontextmanager
async def serving(endpoint: Endpoint) -> AsyncIterator[str | None]:
    """Serve the endpoint while this is open; answers ``host:port``, None when the configuration turns it off.

    Raises: ConfigError when the address cannot be listened on.
    """
    listen = endpoint.config.listen
    if listen is None:
        yield None
        return
    app = web.Application(middlewares=[_guarded(endpoint.config.token)], client_max_size=1024)
    app.router.add_get("/healthz", endpoint.alive)
    app.router.add_get("/readyz", endpoint.ready)
    app.router.add_get("/metrics", endpoint.metrics)
    app.router.add_get("/", endpoint.page)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, listen.host, listen.port).start()
        except OSError as error:
            message = f"{listen.host}:{listen.port} cannot be listened on: {error.strerror or error}"
            fix = 'stop what listens there, or set another one, or "" for none'
            raise ConfigError(message, key="ops.listen", fix=fix) from error
        host, port, *_ = runner.addresses[0]
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    finally:
        await runner.cleanup()


def _guarded(token: Secret | None) -> Middleware:
    """Ask for the token, and never show what went wrong inside."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            is_let_in = token is None or _is_let_in(request, token)
            response = await handler(request) if is_let_in else _who_are_you()
        except web.HTTPException as refusal:
            response = web.Response(status=refusal.status, text=f"{refusal.reason}\n", headers=_kept(refusal))
        except Exception:
            log.exception("endpoint_broke", path=request.path)
            response = web.Response(status=500, text="Internal Server Error\n")
        response.headers.update(_HEADERS)
        return response

    return guard


def _who_are_you() -> web.Response:
    return web.Response(status=401, text="Unauthorized\n", headers={"WWW-Authenticate": "Bearer"})


def _kept(refusal: web.HTTPException) -> dict[str, str]:
    return {name: refusal.headers[name] for name in ("Allow",) if name in refusal.headers}


def _is_let_in(request: web.Request, token: Secret) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.reveal().encode())
