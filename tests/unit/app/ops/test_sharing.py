"""Counting together, by processes as they really are."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from archiver.app.daemon.processes import WORKER
from archiver.app.ops.sharing import FOLDER, shared_counts
from archiver.model.errors import ConfigError

_SHOW = """
from archiver.app.ops.metrics import Counts
counts = Counts()
counts.of("acme").stored(100, 0.5)
from archiver.app.daemon.vitals import Vitals
from datetime import UTC, datetime
print(counts.render(None, Vitals(started_at=datetime.now(UTC))).decode())
"""


async def scrape(environ: dict[str, str]) -> str:
    """What a process of its own answers after it has counted one download of 100 bytes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SHOW, stdout=asyncio.subprocess.PIPE, env={**os.environ, **environ}
    )
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    return said.decode()


def shown(text: str) -> tuple[str, ...]:
    """The downloads and their seconds, as scraped."""
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("archiver"))
    stored = values['archiver_downloads_total{account="acme",outcome="stored"}']
    return stored, values["archiver_download_seconds_count"]


async def test_one_scrape_shows_all_processes() -> None:
    """T5: what every process of a host counts is summed up, the first's and that of a worker that died included; a
    worker that is started again counts on in the same files."""
    with shared_counts(3):
        folder = os.environ[FOLDER]
        for number in ("1", "2", "2"):
            await scrape({WORKER: number})
        files = len(os.listdir(folder))
        text = await scrape({})
        assert files == 2 * (len(os.listdir(folder)) - files)
    assert shown(text) == ("4.0", "4.0")
    assert not Path(folder).exists()


async def test_one_process_counts_for_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """T5: a folder that another program left in the environment adds nothing."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with shared_counts(1):
        assert shown(await scrape({})) == ("1.0", "1.0")
    assert not list(tmp_path.iterdir())


def test_no_room_to_count_is_a_mistake_of_the_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """T6: where no temporary folder can be made, that is said with the key that needs one."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError) as raised, shared_counts(2):
        pass
    assert raised.value.key == "transfer.processes"
