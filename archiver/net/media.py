"""Opening media: from the start, or on from where an earlier stream broke off."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import ClientResponse

from archiver.model.errors import IntegrityError, Permanent, Transient
from archiver.net.http import HttpClient, Request
from archiver.net.redaction import keepable
from archiver.ports.provider import Media

_OK: Final = 200
_PARTIAL: Final = 206
_BEHIND_THE_END: Final = 416
_CHUNK_BYTES: Final = 256 * 2**10
_STRONG_TAG: Final = re.compile(r'"[\x21\x23-\x7e]*"')
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Resume:
    """Where to go on: ``offset`` bytes are here already, ``validator`` tells of which media."""

    offset: int = 0
    validator: str | None = None


@asynccontextmanager
async def open_media(http: HttpClient, request: Request, resume: Resume = Resume()) -> AsyncIterator[Media]:
    """The bytes behind an address as they are kept there: not compressed, redirects followed by the account's rules.

    They start at the offset asked for only if the answer proves it: a 206 whose ``Content-Range`` begins there, ends
    at the end and belongs to the same validator. Otherwise they start at 0 (B4).

    Raises: Permanent when they are more than the account takes; IntegrityError when they come compressed or in parts;
    Transient for a success without a body; and what ``HttpClient.exchange`` raises.
    """
    async with AsyncExitStack() as stack:
        response = await _open(stack, http, request, resume)
        offset = resume.offset if response.status == _PARTIAL else 0
        size_bytes = _declared_size(response)
        _check(http, request, response)
        if size_bytes is not None and size_bytes > http.bounds.max_media_bytes:
            raise _too_large(http, request)
        yield Media(
            chunks=_chunks(http, request, response, offset),
            size_bytes=size_bytes,
            content_type=keepable(response.headers.get("Content-Type", "")) or None,
            offset=offset,
            validator=_validator(response),
        )


async def _open(stack: AsyncExitStack, http: HttpClient, request: Request, resume: Resume) -> ClientResponse:
    if resume.offset:
        wanted = {"Range": f"bytes={resume.offset}-"} | ({"If-Range": resume.validator} if resume.validator else {})
        ranged = replace(request, headers={**request.headers, **wanted})
        response = await stack.enter_async_context(http.exchange(ranged, is_media=True, passes=_BEHIND_THE_END))
        if response.status == _OK or _continues(response, resume):
            return response
        await stack.aclose()
    response = await stack.enter_async_context(http.exchange(request, is_media=True))
    if response.status == _PARTIAL:
        raise IntegrityError(f"{_subject(http, request)} sent a part that was not asked for", account=http.account.name)
    return response


def _continues(response: ClientResponse, resume: Resume) -> bool:
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if response.status != _PARTIAL or not found or int(found[1]) != resume.offset:
        return False
    reaches_end = found[3] == "*" or int(found[2]) + 1 == int(found[3])
    etag = response.headers.get("ETag")
    return reaches_end and (resume.validator is None or etag is None or etag == resume.validator)


def _check(http: HttpClient, request: Request, response: ClientResponse) -> None:
    """Refuse an answer that cannot be the bytes."""
    if response.status not in (_OK, _PARTIAL):
        message = f"{_subject(http, request)} answered {response.status}, without the audio"
        raise Transient(message, account=http.account.name)
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        # A cut compressed stream can look whole, and its length is not that of the audio
        message = f"{_subject(http, request)} came as {encoding[:20]!r}, which was not asked for"
        raise IntegrityError(message, account=http.account.name)


def _declared_size(response: ClientResponse) -> int | None:
    if response.status != _PARTIAL:
        return response.content_length
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return None if found is None or found[3] == "*" else int(found[3])


def _validator(response: ClientResponse) -> str | None:
    """A strong entity tag; a weak one may stand for other bytes. Source: RFC 9110, section 13.1.5."""
    etag = response.headers.get("ETag", "")
    return etag if _STRONG_TAG.fullmatch(etag) else None


async def _chunks(http: HttpClient, request: Request, response: ClientResponse, offset: int) -> AsyncIterator[bytes]:
    received = offset
    while True:
        with http.translated(request, response):
            chunk = await response.content.read(_CHUNK_BYTES)
        if not chunk:
            return
        received += len(chunk)
        if received > http.bounds.max_media_bytes:
            raise _too_large(http, request)
        yield chunk


def _too_large(http: HttpClient, request: Request) -> Permanent:
    message = f"{_subject(http, request)} has more than {http.bounds.max_media_bytes} bytes"
    return Permanent(message, fix="raise transfer.max_size", account=http.account.name)


def _subject(http: HttpClient, request: Request) -> str:
    return f"account {http.account.name}: {request.endpoint}"
