"""A value that must not be seen."""

import hashlib
from typing import Final

_STARS: Final = "********"


class Secret:
    """A secret that prints as stars, wherever it is formatted; ``reveal`` is the one way to read it.

    It cannot be pickled, so it never travels in an argument vector or a queue by accident.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one request that needs it."""
        return self._value

    @property
    def fingerprint(self) -> str:
        """What tells this value from others; of a long random one, as keys are, it gives nothing away."""
        return hashlib.sha256(self._value.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"Secret({_STARS})"

    def __str__(self) -> str:
        return _STARS

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret cannot be pickled")
