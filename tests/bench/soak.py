"""``python -m tests.bench.soak [CYCLES]``: a daemon on a fast schedule, and whether it grows (P5).

Many accounts of one sandbox are walked every second. After a warm-up and again at the end: open files, threads,
connections to the catalog, and resident memory. The exit code is 1 when any of them grew by more than a tenth.
"""

import asyncio
import os
import re
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archiver.catalog.embedded import embedded_server
from archiver.catalog.migrate import migrate
from archiver.catalog.pool import open_connection
from tests.system.service import SETTINGS, Service, service
from tests.system.stage import ACCOUNT, Stage, staged

ACCOUNTS: Final = 20
WARM_UP: Final = 400
OPTIONS: Final = ("--recordings", "50", "--audio-seconds", "1", "--late-arrivals", "0")
_CONNECTIONS: Final = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'archiver'"


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process holds."""

    files: int
    threads: int
    connections: int
    memory_mb: float

    def __str__(self) -> str:
        counts = f"{self.files:4} files  {self.threads:3} threads  {self.connections:3} connections"
        return f"{counts}  {self.memory_mb:6.1f} MB"

    def grew_to(self, later: "Sample") -> bool:
        """Whether any of it grew by more than a tenth, and by more than what comes and goes."""
        pairs = zip(
            (self.files, self.threads, self.connections, self.memory_mb),
            (later.files, later.threads, later.connections, later.memory_mb),
            strict=True,
        )
        return any(after > before * 1.1 + 4 for before, after in pairs)


async def take(one: Service, dsn: str) -> Sample:
    """A sample of a daemon."""
    process = Path(f"/proc/{one.process.pid}")
    status = (process / "status").read_text()
    async with open_connection(dsn) as connection:
        connections = await connection.fetchval(_CONNECTIONS) - 1
    return Sample(
        files=len(os.listdir(process / "fd")),
        threads=int(re.findall(r"Threads:\s+(\d+)", status)[0]),
        connections=connections,
        memory_mb=int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024,
    )


def multiply(stage: Stage) -> None:
    """Make many accounts of the stage's one."""
    text = stage.config.read_text()
    table = text[text.index(f"[accounts.{ACCOUNT}]") :]
    copies = [table.replace(f"[accounts.{ACCOUNT}]", f"[accounts.copy-{number}]") for number in range(1, ACCOUNTS)]
    stage.config.write_text("\n".join([text, *copies]) + SETTINGS)


async def soak(cycles: int) -> int:
    """Run so many walks; answers the exit code."""
    with tempfile.TemporaryDirectory(prefix="archiver-soak-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        async with embedded_server(folder / "postgres") as dsn:
            await migrate(dsn)
            async with staged(folder, dsn, *OPTIONS) as stage:
                multiply(stage)
                async with service(stage) as one:
                    before = await until(one, dsn, WARM_UP)
                    after = await until(one, dsn, WARM_UP + cycles)
                    code = await one.stop(signal.SIGTERM)
    grew = before.grew_to(after)
    sys.stdout.write(f"{'it grew' if grew else 'level'}; exit code {code}\n")
    return int(grew or code != 0)


async def until(one: Service, dsn: str, cycles: int) -> Sample:
    """A sample once so many walks have ended."""
    while len(one.said("walk_ended")) < cycles:
        await asyncio.sleep(0.5)
    sample = await take(one, dsn)
    sys.stdout.write(f"after {len(one.said('walk_ended')):5} walks: {sample}\n")
    sys.stdout.flush()
    return sample


if __name__ == "__main__":
    raise SystemExit(asyncio.run(soak(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)))
