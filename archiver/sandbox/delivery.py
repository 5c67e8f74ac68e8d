"""Sending a body of audio, whole or from some byte on, and noting what really went out."""

import re
from collections.abc import Callable

from aiohttp import web

_PIECE_BYTES = 64 * 1024
_FROM_BYTE = re.compile(r"bytes=(\d+)-")

Note = Callable[[bytes, bool], None]


async def deliver(request: web.Request, body: bytes, content_type: str, note: Note) -> web.StreamResponse:
    """Answer 200 with the body, 206 with its rest for ``Range: bytes=START-``, or 416 when START is behind its end.

    Other forms of ``Range`` are passed over, as RFC 9110 allows. ``note`` gets the bytes that were written and
    whether they were the whole body; also when the peer goes away in the middle.
    """
    asked = _FROM_BYTE.fullmatch(request.headers.get("Range", ""))
    start = int(asked[1]) if asked else 0
    if start >= len(body):
        return web.Response(status=416, headers={"Content-Range": f"bytes */{len(body)}"})
    response = web.StreamResponse(status=206 if asked else 200, headers={"Content-Type": content_type})
    response.content_length = len(body) - start
    if asked:
        response.headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
    end, is_whole = start, False
    try:
        await response.prepare(request)
        while end < len(body):
            piece = body[end : end + _PIECE_BYTES]
            await response.write(piece)
            end += len(piece)
        await response.write_eof()
        is_whole = start == 0
    finally:
        note(body[start:end], is_whole)
    return response
