"""``archiver demo``: the newcomer's first command."""

import asyncio
import re
from asyncio.subprocess import PIPE
from pathlib import Path

from tests.system.stage import PROGRAM, Answer, ended


async def demo(folder: Path) -> Answer:
    """Run the demo."""
    return await ended(
        await asyncio.create_subprocess_exec(PROGRAM, "demo", "--dir", "here", cwd=folder, stdout=PIPE, stderr=PIPE)
    )


async def test_the_demo_archives_everything_and_the_second_one_fetches_nothing(tmp_path: Path) -> None:
    """Every sandbox recording ends verified and equal to the ledger; again, no media is asked for (O5, O6)."""
    first = await demo(tmp_path)
    assert first.code == 0, first.stdout + first.stderr
    assert "600 of 600 recordings are verified" in first.stdout
    audio = [path for path in tmp_path.rglob("here/var/recordings/sandbox-*/**/*") if path.suffix in {".wav", ".mp3"}]
    assert len(audio) == 600
    second = await demo(tmp_path)
    assert second.code == 0, second.stdout + second.stderr
    assert "none was fetched again" in second.stdout
    assert len(re.findall(r"sandbox-[a-z-]+ +200 +0 +200 +0 +0", second.stdout)) == 3
