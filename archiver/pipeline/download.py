"""Download: the provider's media into the spool, hashed on the way; a broken stream is gone on with where it broke."""

from dataclasses import dataclass
from typing import Final

from archiver.model.errors import IntegrityError, Unreachable
from archiver.model.objects import Body
from archiver.model.recording import Claim
from archiver.pipeline.bandwidth import Bandwidth
from archiver.pipeline.spool import Spool
from archiver.ports.provider import Media, MediaRequest, Provider

RESUMES: Final = 3
"""How often a broken stream is gone on with inside one attempt."""

WORTH_RESUMING_BYTES: Final = 1 << 20
"""A shorter beginning is not worth the risk of piecing two answers together: the attempt fails and starts over."""


@dataclass(frozen=True, slots=True)
class Download:
    """A finished download and the length that the transfer declared, if it did."""

    body: Body
    declared_bytes: int | None


async def download(provider: Provider, claim: Claim, spool: Spool, bandwidth: Bandwidth) -> Download:
    """Bring the media of a claimed recording into the spool.

    Raises: what ``Provider.open_media`` raises, and ``Unreachable`` when the stream broke and could not be resumed.
    """
    request = MediaRequest(recording=claim.listed, attempt=claim.attempts)
    for resumes_left in range(RESUMES, -1, -1):
        media: Media | None = None
        try:
            async with provider.open_media(request) as media:
                await _receive(media, spool, bandwidth)
            return Download(await spool.finish(), media.size_bytes)
        except Unreachable:
            if media is None or not _is_resumable(provider, media, spool) or not resumes_left:
                raise
            request = MediaRequest(
                recording=claim.listed, attempt=claim.attempts, offset=spool.size_bytes, validator=media.validator
            )
    raise AssertionError("the last round returns or raises")


async def _receive(media: Media, spool: Spool, bandwidth: Bandwidth) -> None:
    if media.offset not in {0, spool.size_bytes}:
        raise IntegrityError(f"the media goes on at byte {media.offset:,}, not at {spool.size_bytes:,} as asked")
    if media.offset != spool.size_bytes:
        await spool.rewind()
    async for chunk in media.chunks:
        await spool.write(chunk)
        await bandwidth.spend(len(chunk))


def _is_resumable(provider: Provider, media: Media, spool: Spool) -> bool:
    return provider.capabilities.can_resume and media.validator is not None and spool.size_bytes >= WORTH_RESUMING_BYTES
