"""A tiny web server on loopback, for answers that no honest provider gives."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Peer:
    """A server that is up. ``asked`` are the requests so far: method, path with query, and headers."""

    origin: str
    port: int
    asked: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)


@asynccontextmanager
async def serve(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Answer every request with ``handler`` until the context is left."""
    peer = Peer("", 0)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        peer.asked.append((request.method, request.path_qs, dict(request.headers)))
        assert isinstance(request, web.BaseRequest)
        return await handler(request)  # type: ignore[arg-type]  # a bare server has no application to route with

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    peer.port = runner.addresses[0][1]
    peer.origin = f"{'https' if tls else 'http'}://127.0.0.1:{peer.port}"
    try:
        yield peer
    finally:
        await runner.cleanup()


def answering(status: int = 200, body: object = "", headers: Mapping[str, str] | None = None) -> Handler:
    """A handler that always answers alike; a body that is no text and no bytes goes out as JSON."""
    payload = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()

    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=payload, headers=headers)

    return handler


@asynccontextmanager
async def serve_raw(answer: bytes, *, stays_open: bool = False) -> AsyncIterator[Peer]:
    """Answer every connection's first request with these very bytes, then close it, or fall silent."""
    silent = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if stays_open:
            await silent.wait()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Peer(f"http://127.0.0.1:{port}", port)
    finally:
        silent.set()
        server.close()
        await server.wait_closed()
