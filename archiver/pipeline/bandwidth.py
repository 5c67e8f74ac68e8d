"""The process's share of the line: all downloads together take no more bytes per second than the operator allows."""

import asyncio
from dataclasses import dataclass


@dataclass(slots=True)
class Bandwidth:
    """A cap in bytes per second; 0 is none. Whoever took a chunk waits until the cap has caught up with it."""

    bytes_per_s: int
    _free_at: float = 0.0

    async def spend(self, size_bytes: int) -> None:
        """Account for bytes that came, and wait until more may come."""
        if not self.bytes_per_s:
            return
        now = asyncio.get_running_loop().time()
        self._free_at = max(now, self._free_at) + size_bytes / self.bytes_per_s
        await asyncio.sleep(self._free_at - now)
