"""An advisory lock that the kernel releases when its last holder is gone, however that ends."""

import fcntl
import os
from types import TracebackType
from typing import Self


class Lock:
    """One opening of a lock file. Two openings exclude each other, in one process as in two.

    Closing gives the lock up, unless a child inherited the descriptor: then it is held until the last one is closed.
    Source: flock(2).
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self.descriptor)

    def try_shared(self) -> bool:
        """Hold it together with others; false when one holds it alone."""
        return self._try(fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        """Hold it alone; false when anybody else holds it. What this opening held before is given up either way."""
        return self._try(fcntl.LOCK_EX)

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self.descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
