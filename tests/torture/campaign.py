"""``make torture``: experiment after experiment until the time is up, several at once.

TORTURE_MINUTES=10      how long; the last experiments are brought to their end
TORTURE_COUNT=200       so many experiments instead, however long they take
TORTURE_JOBS=2          how many at once: they wait more than they work
TORTURE_SEED=random     a number gives the same experiments again
TORTURE_ONLY=17         only this one of the seed's experiments
"""

import asyncio
import math
import os
import secrets
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

from tests.system.mortal import count_steps
from tests.system.stage import staged
from tests.torture.experiment import EMBEDDED, copy_folder, run_experiment
from tests.torture.plan import draw_plan

COUNTED: Final = 10
"""So many recordings are archived once, to learn how many durable steps that takes."""


@dataclass(frozen=True)
class Campaign:
    """All experiments of one seed. What they leave lies in ``folder``, of those that failed only."""

    seed: int
    folder: Path
    jobs: int
    held: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)

    async def run(self, numbers: Iterable[int], until: float) -> None:
        """Run these experiments, begin none after ``until`` (of the monotonic clock)."""
        cluster, steps = await self._prepare()
        say("a backfill of 10 recordings: " + ", ".join(f"{number} {kind}" for kind, number in steps.items()))
        waiting = iter(numbers)

        async def work() -> None:
            for number in waiting:
                if time.monotonic() > until:
                    break
                await self._try(number, cluster, steps)

        await asyncio.gather(*(work() for _ in range(self.jobs)))
        shutil.rmtree(cluster)

    async def _prepare(self) -> tuple[Path, Mapping[str, int]]:
        """A private server's folder with an empty catalog, and how many steps of each kind a backfill makes."""
        folder, cluster = self.folder / "counted", self.folder / "cluster"
        folder.mkdir()
        options = ("--recordings", str(COUNTED), "--audio-seconds", "1", "--late-arrivals", "0")
        async with staged(folder, EMBEDDED, *options) as stage:
            assert (await stage.run("migrate")).code == 0
            await copy_folder(folder / "var" / "catalog", cluster)
            steps = await count_steps(stage, "backfill")
        shutil.rmtree(folder)
        return cluster, steps

    async def _try(self, number: int, cluster: Path, steps: Mapping[str, int]) -> None:
        plan, folder = draw_plan(self.seed, number), self.folder / str(number)
        folder.mkdir()
        say(f"#{number:<4} {plan}")
        started = time.monotonic()
        try:
            await run_experiment(plan, folder, cluster, steps)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the next one begins
            self.failed.append(number)
            say(f"#{number:<4} FAILED: {str(error) or type(error).__name__}\n")
            traceback.print_exc(file=sys.stdout)
            say(f"\n  all that happened: {folder}/torture.log and beside it")
            say(f"  once more, alone:  make torture TORTURE_SEED={self.seed} TORTURE_ONLY={number}\n")
        else:
            self.held.append(number)
            shutil.rmtree(folder)
            say(f"#{number:<4} held, {time.monotonic() - started:.0f} s")


def say(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Read the environment, run, and answer the exit code."""
    asked = os.environ.get
    minutes, wanted, only = asked("TORTURE_MINUTES", "10"), asked("TORTURE_SEED"), asked("TORTURE_ONLY")
    seed = int(wanted) if wanted and wanted != "random" else secrets.randbelow(1 << 32)
    campaign = Campaign(seed, Path(tempfile.mkdtemp(prefix="archiver-torture-")), int(asked("TORTURE_JOBS", "2")))
    numbers: Iterable[int] = count(1)
    until, bound = time.monotonic() + 60 * float(minutes), f"{minutes} minutes"
    if most := int(asked("TORTURE_COUNT", "0")):
        until, numbers, bound = math.inf, range(1, most + 1), f"{most} experiments"
    if only:
        numbers, bound = [int(only)], f"experiment {only} alone"
    say(f"seed {seed}, {bound}")
    asyncio.run(campaign.run(numbers, until))
    if campaign.failed:
        failed = ", ".join(map(str, sorted(campaign.failed)))
        say(f"{len(campaign.failed)} experiments failed ({failed}), {len(campaign.held)} held; seed {seed}")
        return 1
    campaign.folder.rmdir()
    say(f"every promise held in {len(campaign.held)} experiments; seed {seed}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
