"""What every host of a provider does with a request: count it, let a guard refuse it, answer it, count the refusal."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from archiver.sandbox.ledger import Ledger

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Guard = Callable[[web.Request], web.Response | None]
Note = Callable[[web.Request], None]


def host(ledger: Ledger, note: Note, guard: Guard, *routes: web.RouteDef) -> web.Application:
    """One host of a provider. ``note`` sees every request first, then ``guard`` may answer in place of the routes."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        note(request)
        refusal = guard(request)
        response = await handler(request) if refusal is None else refusal
        if response.status >= 400:
            ledger.note_refused()
        return response

    application = web.Application(middlewares=[answer])
    application.add_routes(routes)
    return application


def endpoint(request: web.Request) -> str:
    """The name of the route that a request met, or nothing."""
    return request.match_info.route.name or ""
