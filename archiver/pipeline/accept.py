"""Accept: judge what arrived, before it is stored.

Three verdicts. A body that broke in transfer, or is no audio at all (empty, a message, an image, noise), is refused and
never stored. Audio that its own structure or the listing's claims contradict is doubtful: what becomes of it is
``suspicion``'s to say. Everything else is sound. The bytes decide which container it is, whatever anybody calls it.
"""

import asyncio
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from archiver.model.errors import IntegrityError
from archiver.model.objects import Body
from archiver.model.recording import Listed
from archiver.pipeline.containers.sniff import HEAD_BYTES, sniff, spoken_text
from archiver.pipeline.containers.sound import Sound
from archiver.pipeline.containers.walkers import walk
from archiver.ports.provider import Claims

SMALLEST_BYTES: Final = 44
"""No audio is shorter than a WAV header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A body that may be stored. ``doubt`` says what contradicts it; None for a sound one."""

    container: str
    doubt: str | None = None


async def accept(body: Body, listed: Listed, declared_bytes: int | None, claims: Claims) -> Accepted:
    """The verdict on a body, read to its last byte.

    ``declared_bytes`` is the length that the transfer declared, None when it declared none.

    Raises: IntegrityError that says why the body is never stored.
    """
    if body.size_bytes == 0:
        raise IntegrityError("the body is empty")
    if declared_bytes is not None and body.size_bytes != declared_bytes:
        raise IntegrityError(f"{body.size_bytes:,} bytes came, {declared_bytes:,} were declared")
    judged = asyncio.to_thread(_judge, body) if isinstance(body.content, Path) else _judged(body)
    container, sound = await judged
    doubt = "; ".join(_doubts(body.size_bytes, sound, listed, claims)) or None
    return Accepted(container=container, doubt=doubt)


async def _judged(body: Body) -> tuple[str, Sound]:
    return _judge(body)  # what is small enough for memory is walked faster than a thread is called


def _judge(body: Body) -> tuple[str, Sound]:
    opened = body.content.open("rb") if isinstance(body.content, Path) else io.BytesIO(body.content)
    with opened as file:
        head = file.read(HEAD_BYTES)
        text = spoken_text(head)
        if text is not None:
            raise IntegrityError(f"the body is a message, not audio: {text!r}")
        if body.size_bytes < SMALLEST_BYTES:
            raise IntegrityError(f"a body of {body.size_bytes} bytes is too short to be audio")
        container = sniff(head)
        if container is None:
            raise IntegrityError(f"the body begins like no audio: {head[:8].hex(' ')}")
        return container, walk(container, file, body.size_bytes)


def _doubts(size_bytes: int, sound: Sound, listed: Listed, claims: Claims) -> Iterator[str]:
    if sound.flaw is not None:
        yield sound.flaw
    if claims.has_exact_sizes and listed.claimed_size not in {None, size_bytes}:
        yield f"{size_bytes:,} bytes came, the listing claims {listed.claimed_size:,}"
    plays, claimed = sound.duration, listed.duration
    if plays is not None and claimed is not None and claimed - plays > claims.shortfall(claimed):
        yield f"it plays {_seconds(plays)}, the listing claims {_seconds(claimed)}"


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():,.1f} s"
