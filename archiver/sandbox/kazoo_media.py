"""What Kazoo makes of ``Accept`` and ``Range``.

Source: 2600hz/kazoo, cb_recordings and crossbar's api_resource, read 2026-11.
"""

import gzip
import re
from collections.abc import Mapping
from enum import Enum, auto

from aiohttp import web

from archiver.sandbox.audio import render
from archiver.sandbox.delivery import Part, audio, content_range
from archiver.sandbox.population import Recording

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


def answer_media(request: web.Request, recording: Recording, headers: Mapping[str, str]) -> web.Response | None:
    """Answer with what ``Range`` asks for, compressed where the client allows it; None for a range behind the end.

    A range that ends at or behind the end is taken for the whole. ``Content-Range`` is there whatever is sent.
    """
    body = render(recording.clip)
    asked = _RANGE.fullmatch(request.headers.get("Range", ""))
    if asked is None and "gzip" in request.headers.get("Accept-Encoding", ""):
        packed = gzip.compress(body)
        stated = {**headers, **_stated(0, len(packed), len(packed)), "Content-Encoding": "gzip"}
        return audio(request, recording, packed, Part(headers=stated))
    start = int(asked[1]) if asked else 0
    if start >= len(body):
        return None
    end = int(asked[2]) + 1 if asked and asked[2] else len(body)
    if asked is None or (asked[2] and end >= len(body)):
        return audio(request, recording, body, Part(headers={**headers, **_stated(0, len(body), len(body))}))
    stated = {**headers, **_stated(start, end, len(body))}
    return audio(request, recording, body, Part(status=206, start=start, end=end, headers=stated))


def _stated(start: int, end: int, size: int) -> dict[str, str]:
    return {"Content-Range": content_range(start, end, size)}
