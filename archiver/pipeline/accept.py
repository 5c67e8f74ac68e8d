"""Accept: judge what arrived, before it is stored.

A body passes when it is as long as it was declared and claimed, is no message in disguise, and its own structure is
whole. Everything else is refused by name and fetched again; nothing that was refused is ever stored.
"""

import asyncio
import io
from pathlib import Path
from typing import Final

from archiver.model.errors import IntegrityError
from archiver.model.objects import Body
from archiver.model.recording import Listed
from archiver.pipeline.containers.sniff import HEAD_BYTES, sniff, spoken_text
from archiver.pipeline.containers.wav import check_wav

SMALLEST_BYTES: Final = 44
"""No audio is shorter than a WAV header."""


async def accept(body: Body, listed: Listed, declared_bytes: int | None) -> str:
    """The container of a body that may be stored.

    ``declared_bytes`` is the length that the transfer declared, None when it declared none.

    Raises: IntegrityError that says what is wrong with the body.
    """
    _check_length(body.size_bytes, listed.claimed_size, declared_bytes)
    if isinstance(body.content, Path):
        return await asyncio.to_thread(_judge, body)
    return _judge(body)


def _check_length(size_bytes: int, claimed_bytes: int | None, declared_bytes: int | None) -> None:
    if size_bytes == 0:
        raise IntegrityError("the body is empty")
    if declared_bytes is not None and size_bytes != declared_bytes:
        raise IntegrityError(f"{size_bytes:,} bytes came, {declared_bytes:,} were declared")
    if claimed_bytes is not None and size_bytes != claimed_bytes:
        raise IntegrityError(f"{size_bytes:,} bytes came, the listing claims {claimed_bytes:,}")


def _judge(body: Body) -> str:
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
        if container == "wav":
            file.seek(0)
            check_wav(file, body.size_bytes)
        return container
