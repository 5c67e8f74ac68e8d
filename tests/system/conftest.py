"""Fixtures of the system tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.system.stage import Stage, staged


@pytest.fixture
async def stage(tmp_path: Path, catalog_dsn: str) -> AsyncIterator[Stage]:
    """A sandbox with forty short recordings, nothing arriving late."""
    async with staged(
        tmp_path, catalog_dsn, "--recordings", "40", "--audio-seconds", "1", "--late-arrivals", "0"
    ) as one:
        yield one
