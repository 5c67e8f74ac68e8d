"""What walking over a whole container tells."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import BinaryIO, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """The audio of a body, as its container's structure shows it.

    ``duration`` is measured on what is there, None where the container does not tell. ``flaw`` says what contradicts
    the container's own structure (a cut, a broken checksum, no audio behind the headers); None for a whole one.
    """

    duration: timedelta | None
    flaw: str | None = None


Walker: TypeAlias = Callable[[BinaryIO, int], Sound]
"""Walks over a body that ``sniff`` took for this container: the file, at its beginning, and its size in bytes.

Raises: IntegrityError when there is no audio of this kind in it at all: an image or noise in disguise.
"""
