"""Download: the provider's media into the spool, hashed on the way; a broken stream is gone on with where it broke.

A provider may answer a range wrongly and say that it is right, and then no header tells: not the validator, not the
length. So the last bytes that are here already are asked for once more, and have to come again (B4).
"""

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

OVERLAP_BYTES: Final = 64 << 10
"""So much is asked for again. Seconds of speech, so that it is hardly all one silence, which would fit anywhere."""


@dataclass(frozen=True, slots=True)
class Download:
    """A finished download and the length that the transfer declared, if it did."""

    body: Body
    declared_bytes: int | None


async def download(provider: Provider, claim: Claim, spool: Spool, bandwidth: Bandwidth) -> Download:
    """Bring the media of a claimed recording into the spool.

    Raises: what ``Provider.open_media`` raises; ``Unreachable`` when the stream broke and could not be resumed;
    ``IntegrityError`` when it went on with other bytes.
    """
    receiver = _Receiver(spool, bandwidth)
    request = MediaRequest(recording=claim.listed, attempt=claim.attempts)
    for resumes_left in range(RESUMES, -1, -1):
        media: Media | None = None
        try:
            async with provider.open_media(request) as media:
                await receiver.receive(media)
            return Download(await spool.finish(), media.size_bytes)
        except Unreachable:
            if media is None or not _is_resumable(provider, media, spool) or not resumes_left:
                raise
            request = MediaRequest(
                recording=claim.listed, attempt=claim.attempts, offset=receiver.offset, validator=media.validator
            )
    raise AssertionError("the last round returns or raises")


class _Receiver:
    """Takes one stream after the other into the spool; ``offset`` is where the next one has to begin."""

    def __init__(self, spool: Spool, bandwidth: Bandwidth) -> None:
        self._spool = spool
        self._bandwidth = bandwidth
        self._tail = b""

    @property
    def offset(self) -> int:
        return self._spool.size_bytes - len(self._tail)

    async def receive(self, media: Media) -> None:
        if media.offset not in {0, self.offset}:
            raise IntegrityError(f"the media goes on at byte {media.offset:,}, not at {self.offset:,} as asked")
        if media.offset != self.offset:
            await self._spool.rewind()
            self._tail = b""
        expected = self._tail
        async for chunk in media.chunks:
            again = chunk[: len(expected)]
            if not expected.startswith(again):
                break
            expected = expected[len(again) :]
            await self._take(chunk[len(again) :])
            await self._bandwidth.spend(len(chunk))
        if expected:
            raise IntegrityError(
                f"the media goes on with other bytes than those before byte {self._spool.size_bytes:,}"
            )

    async def _take(self, fresh: bytes) -> None:
        if fresh:
            self._tail = (self._tail + fresh)[-OVERLAP_BYTES:]
            await self._spool.write(fresh)


def _is_resumable(provider: Provider, media: Media, spool: Spool) -> bool:
    return provider.capabilities.can_resume and media.validator is not None and spool.size_bytes >= WORTH_RESUMING_BYTES
