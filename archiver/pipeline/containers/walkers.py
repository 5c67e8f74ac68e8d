"""Which walker knows which container: a plain table."""

from collections.abc import Mapping
from typing import BinaryIO, Final

from archiver.pipeline.containers.aac import walk_aac
from archiver.pipeline.containers.amr import walk_amr
from archiver.pipeline.containers.au import walk_au
from archiver.pipeline.containers.mp3 import walk_mp3
from archiver.pipeline.containers.mp4 import walk_mp4
from archiver.pipeline.containers.ogg import walk_ogg
from archiver.pipeline.containers.sound import Sound, Walker
from archiver.pipeline.containers.wav import walk_wav

WALKERS: Final[Mapping[str, Walker]] = {
    "mp3": walk_mp3,
    "wav": walk_wav,
    "ogg": walk_ogg,
    "m4a": walk_mp4,
    "aac": walk_aac,
    "amr": walk_amr,
    "au": walk_au,
}


def walk(container: str, file: BinaryIO, size_bytes: int) -> Sound:
    """Walk over a body; a container that nobody here can walk has that as its flaw.

    Raises: IntegrityError when there is no audio in it at all.
    """
    walker = WALKERS.get(container)
    if walker is None:
        return Sound(duration=None, flaw=f"nobody here can tell whether a {container} is whole")
    file.seek(0)
    return walker(file, size_bytes)
