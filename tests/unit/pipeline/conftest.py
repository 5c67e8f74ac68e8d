"""A bench of its own for every test."""

from pathlib import Path

import pytest

from tests.unit.pipeline.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """One account, nothing listed yet."""
    return Bench(tmp_path)
