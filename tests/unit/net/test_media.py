"""Streams of media: whole, cut, compressed, resumed."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from archiver.model.errors import ArchiverError, IntegrityError, Permanent, Transient, Unreachable
from archiver.net.http import Request
from archiver.net.media import Resume, open_media
from archiver.ports.provider import Media
from tests.accounts import make_account, make_client
from tests.fakes.web import Handler, answering, serve, serve_raw

BODY = bytes(range(256)) * 4


async def fetch(origin: str, resume: Resume | None = None, **bounds: Any) -> tuple[Media, bytes]:
    """Read the media of a peer to its end."""
    async with (
        make_client(make_account(base_url=origin), **bounds) as http,
        open_media(http, Request(endpoint="media", url=f"{origin}/r1.mp3"), resume or Resume()) as media,
    ):
        return media, b"".join([chunk async for chunk in media.chunks])


def ranging(status: int = 206, **headers: str) -> Handler:
    """A peer that answers a range with this status and these headers (underscores for dashes), anything else whole."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if "Range" not in request.headers:
            return web.Response(body=BODY, headers={"ETag": '"v1"'})
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=BODY[100:] if status == 206 else b"", headers=named)

    return handler


async def test_media_comes_as_it_is_kept() -> None:
    """The bytes, their length, type and strong tag are the peer's."""
    headers = {"ETag": '"v1"', "Content-Type": "audio/mpeg"}
    async with serve(answering(200, BODY, headers)) as peer:
        media, body = await fetch(peer.origin)
    assert body == BODY
    assert (media.size_bytes, media.content_type, media.offset, media.validator) == (1024, "audio/mpeg", 0, '"v1"')


@pytest.mark.parametrize("tag", ['W/"v1"', "v1", '"v\xe4"', '"'])
async def test_a_weak_tag_proves_nothing(tag: str) -> None:
    """B4: a weak tag may stand for other bytes and is no validator; neither is one that cannot be sent back."""
    async with serve(answering(200, BODY, {"ETag": tag})) as peer:
        media, _ = await fetch(peer.origin)
    assert media.validator is None


async def test_media_goes_on_where_it_broke_off() -> None:
    """B4: a 206 that begins where we are, ends at the end and has our tag is gone on with."""
    async with serve(ranging(Content_Range="bytes 100-1023/1024", ETag='"v1"')) as peer:
        media, body = await fetch(peer.origin, Resume(100, '"v1"'))
    assert (media.offset, media.size_bytes, body) == (100, 1024, BODY[100:])
    assert (peer.asked[0][2]["Range"], peer.asked[0][2]["If-Range"]) == ("bytes=100-", '"v1"')


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (206, {"Content_Range": "bytes 99-1023/1024"}),
        (206, {"Content_Range": "bytes 100-500/1024"}),
        (206, {"Content_Range": "bytes 100-1023/1024", "ETag": '"v2"'}),
        (206, {"Content_Range": "items 100-1023/1024"}),
        (206, {}),
        (416, {"Content_Range": "bytes */1024"}),
    ],
)
async def test_what_does_not_match_is_begun_anew(status: int, headers: Mapping[str, str]) -> None:
    """B4: any other part than the one asked for is thrown away, and the media read from its start."""
    async with serve(ranging(status, **headers)) as peer:
        media, body = await fetch(peer.origin, Resume(100, '"v1"'))
    assert (media.offset, media.size_bytes, body) == (0, 1024, BODY)
    assert len(peer.asked) == 2


async def test_a_peer_without_ranges_answers_whole() -> None:
    """B4: a 200 to a range is the whole media, from its start."""
    async with serve(answering(200, BODY)) as peer:
        media, body = await fetch(peer.origin, Resume(100))
    assert (media.offset, body) == (0, BODY)
    assert len(peer.asked) == 1


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (200, {"Content-Encoding": "gzip"}, IntegrityError),
        (200, {"Content-Encoding": "br"}, IntegrityError),
        (206, {"Content-Range": "bytes 0-9/10"}, IntegrityError),
        (202, {}, Transient),
        (204, {}, Transient),
    ],
)
async def test_a_success_that_is_no_media(status: int, headers: Mapping[str, str], error: type[ArchiverError]) -> None:
    """B1, B2: compressed bytes, unasked parts and successes without a body are refused before a byte is read."""
    async with serve(answering(status, b"" if status == 204 else b"0123456789", headers)) as peer:
        with pytest.raises(error) as caught:
            await fetch(peer.origin)
    assert caught.value.account == "acme"


async def test_a_declared_identity_is_no_compression() -> None:
    """A peer may say ``identity`` where nothing need be said."""
    async with serve(answering(200, BODY, {"Content-Encoding": "identity"})) as peer:
        assert (await fetch(peer.origin))[1] == BODY


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + BODY + b"\r\n",
    ],
    ids=["length", "chunk", "last chunk"],
)
async def test_a_cut_body_is_unreachable(answer: bytes) -> None:
    """B1: a body shorter than its framing says never ends as if it were whole."""
    async with serve_raw(answer) as peer:
        with pytest.raises(Unreachable, match="cut short"):
            await fetch(peer.origin)


async def test_a_silent_stream_is_unreachable() -> None:
    """P4: a stream that falls silent is given up after the idle timeout."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + BODY
    async with serve_raw(answer, stays_open=True) as peer:
        with pytest.raises(Unreachable, match="within the time allowed"):
            await fetch(peer.origin, idle_timeout=timedelta(milliseconds=50))


@pytest.mark.parametrize("framing", [b"Content-Length: 1024", b"Connection: close"])
async def test_media_is_bounded(framing: bytes) -> None:
    """P3: more bytes than the account takes are refused, declared or not, and the fix is named."""
    async with serve_raw(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + BODY) as peer:
        with pytest.raises(Permanent) as caught:
            await fetch(peer.origin, max_media_bytes=1000)
    assert caught.value.fix == "raise transfer.max_size"


async def test_chunks_come_as_they_arrive() -> None:
    """P3: a large body comes in chunks of at most 256 KiB, and whole."""
    large = BODY * 4096
    async with (
        serve(answering(200, large)) as peer,
        make_client(make_account(base_url=peer.origin)) as http,
        open_media(http, Request(endpoint="media", url=peer.origin)) as media,
    ):
        sizes = [len(chunk) async for chunk in media.chunks]
    assert sum(sizes) == len(large)
    assert max(sizes) <= 256 * 2**10
