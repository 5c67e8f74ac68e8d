"""What Kazoo makes of ``Accept`` and ``Range``.

Source: 2600hz/kazoo, cb_recordings and crossbar's api_resource, read 2026-11.
"""

import gzip
import re
from enum import Enum, auto

from aiohttp import web

from archiver.sandbox.delivery import Note, Part, content_range, send

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Form(Enum):
    """What is sent of a recording."""

    DOCUMENT = auto()
    MEDIA = auto()
    NOTHING = auto()
    REFUSAL = auto()


_FORMS = {
    "*/*": Form.DOCUMENT,
    "application/json": Form.DOCUMENT,
    "audio/mpeg": Form.MEDIA,
    "audio/mp3": Form.MEDIA,
    "audio/*": Form.NOTHING,
}


def negotiate(request: web.Request) -> Form:
    """What the client asked for: by its header, or by its query where the header leaves it open."""
    header = request.headers.get("Accept", "*/*")
    wanted = request.query.get("accept", header) if header.strip() == "*/*" else header
    known = [_FORMS[name] for name in _by_preference(wanted) if name in _FORMS]
    return known[0] if known else Form.REFUSAL


def _by_preference(accept: str) -> list[str]:
    weighed = [_weigh(choice) for choice in accept.lower().split(",")]
    return [name for name, _ in sorted(weighed, key=lambda pair: -pair[1])]


def _weigh(choice: str) -> tuple[str, float]:
    name, *parameters = (part.strip() for part in choice.split(";"))
    weights = [parameter[2:] for parameter in parameters if parameter.startswith("q=")]
    try:
        return name, float(weights[0]) if weights else 1.0
    except ValueError:
        return name, 0.0


async def send_media(
    request: web.Request, body: bytes, headers: dict[str, str], note: Note
) -> web.StreamResponse | None:
    """Answer with what ``Range`` asks for, compressed where the client allows it; None for a range behind the end.

    A range that ends at or behind the end is taken for the whole. ``Content-Range`` is there whatever is sent.
    """
    asked = _RANGE.fullmatch(request.headers.get("Range", ""))
    if asked is None and "gzip" in request.headers.get("Accept-Encoding", ""):
        packed = gzip.compress(body)
        return await send(request, packed, _part(packed, 200, 0, {**headers, "Content-Encoding": "gzip"}), note)
    if asked is None:
        return await send(request, body, _part(body, 200, 0, headers), note)
    start = int(asked[1])
    if start >= len(body):
        return None
    if not asked[2]:
        return await send(request, body, _part(body, 206, start, headers), note)
    end = int(asked[2]) + 1
    if end >= len(body):
        return await send(request, body, _part(body, 200, 0, headers), note)
    return await send(request, body, _part(body[:end], 206, start, headers, size=len(body)), note)


def _part(body: bytes, status: int, start: int, headers: dict[str, str], *, size: int | None = None) -> Part:
    end = len(body)
    stated = {"Content-Range": content_range(start, end, end if size is None else size)}
    return Part(status=status, start=start, end=end, headers={**headers, **stated})
