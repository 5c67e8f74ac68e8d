"""Who is let in, and how many at once, over a real socket."""

import asyncio
from base64 import b64encode

import pytest

from archiver.app.config.schema import OpsConfig
from archiver.app.ops.metrics import Counts
from archiver.app.ops.server import Endpoint, serving
from archiver.model.secret import Secret
from tests.unit.app.ops.accounts import make_vitals
from tests.unit.app.ops.test_server import make_config

TOKEN = "let-me-in-ä"


def make_endpoint(config: OpsConfig) -> Endpoint:
    """An endpoint without a catalog."""
    return Endpoint(config=config, vitals=make_vitals(), counts=Counts())


async def ask(listen: str, *lines: bytes) -> bytes:
    """The status line and headers of the answer to a request of these lines."""
    host, _, port = listen.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"\r\n".join([*lines, b"", b""]))
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    finally:
        writer.close()


def basic(password: str) -> bytes:
    """What a browser sends after it has asked its user."""
    return b"Authorization: Basic " + b64encode(f"anybody:{password}".encode())


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (b"Authorization: Bearer " + TOKEN.encode(), b"200"),
        (basic(TOKEN), b"200"),
        (basic("let-me-out"), b"401"),
        (b"Authorization: Basic no-base64!", b"401"),
        (b"Authorization: Basic \xff", b"401"),
        (b"Authorization: Bearer \xff\xfe", b"401"),
        (b"Authorization: Bearer", b"401"),
        (b"Authorization: Digest " + TOKEN.encode(), b"401"),
        (b"X: Y", b"401"),
    ],
)
async def test_the_token_opens(given: bytes, status: bytes) -> None:
    """S6: the token is taken as a bearer's, or as the password of a browser's login; whatever else comes is refused, in
    the same words, and breaks nothing."""
    endpoint = make_endpoint(make_config("127.0.0.1:0", token=Secret(TOKEN)))
    async with serving(endpoint) as listen:
        assert listen is not None
        answer = await ask(listen, b"GET /healthz HTTP/1.1", b"Host: x", given)
    assert answer.split()[1] == status
    assert b"nosniff" in answer
    assert answer.count(b"WWW-Authenticate") == (2 if status == b"401" else 0)


async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens connections without an end gets no more than a few, and those that are open are served."""
    monkeypatch.setattr("archiver.app.ops.gate.MOST_CONNECTIONS", 2)
    async with serving(make_endpoint(make_config("127.0.0.1:0"))) as listen:
        assert listen is not None
        host, _, port = listen.rpartition(":")
        open_ones = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        for reader, writer in open_ones:
            writer.write(request)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        reader, refused = await asyncio.open_connection(host, int(port))
        assert await asyncio.wait_for(reader.read(), 5) == b""
        for writer in (refused, *(writer for _, writer in open_ones)):
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost"])
async def test_who_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """A connection on which no request is finished is closed after a while."""
    monkeypatch.setattr("archiver.app.ops.server._IDLE_S", 0.05)
    async with serving(make_endpoint(make_config("127.0.0.1:0"))) as listen:
        assert listen is not None
        host, _, port = listen.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await writer.wait_closed()
