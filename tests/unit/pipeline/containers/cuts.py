"""Cutting bodies, and seeing which cuts a walk does not notice."""

import io
from random import Random

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.sniff import HEAD_BYTES, sniff
from archiver.pipeline.containers.sound import Sound
from archiver.pipeline.containers.walkers import walk


def listen(body: bytes) -> Sound:
    """What a walk over this body tells, by the container that it begins like."""
    container = sniff(body[:HEAD_BYTES])
    assert container is not None, f"begins like no audio: {body[:8].hex(' ')}"
    return walk(container, io.BytesIO(body), len(body))


def cut_points(body: bytes, seed: int = 1) -> list[int]:
    """Lengths to cut a body to: without each of its last 64 bytes, and at 200 random places."""
    size = len(body)
    lasts = [size - lost for lost in range(1, min(64, size - 1) + 1)]
    return lasts + sorted(Random(seed).choices(range(1, size), k=200))


def unnoticed(body: bytes, seed: int = 1) -> list[int]:
    """The lengths to which a body can be cut without anybody noticing."""
    return [length for length in cut_points(body, seed) if not is_noticed(body[:length])]


def is_noticed(body: bytes) -> bool:
    """Whether a body is refused, or shows a flaw."""
    container = sniff(body[:HEAD_BYTES])
    if container is None:
        return True
    try:
        return walk(container, io.BytesIO(body), len(body)).flaw is not None
    except IntegrityError:
        return True
