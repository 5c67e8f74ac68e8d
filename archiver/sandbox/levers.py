"""What ``/control`` can do to one provider beyond what it does to all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Lever:
    """A command of one provider. ``pull`` gets a value that ``accepts`` took; ``expected`` says which those are."""

    accepts: Callable[[object], bool]
    expected: str
    pull: Callable[[Any], None]


def is_list_of_texts(value: object) -> bool:
    """Whether this is a list of strings and nothing else."""
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def is_true(value: object) -> bool:
    """Whether this is JSON's true."""
    return value is True
