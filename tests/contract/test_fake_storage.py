"""The fake storage keeps the same contract as the real ones."""

from pathlib import Path

import pytest

from archiver.model.errors import StorageError
from tests.contract.storage import StorageContract
from tests.fakes.storage import FakeStorage


class TestFakeStorage(StorageContract):
    """The storage of the tests of the pipeline."""

    @pytest.fixture
    async def storage(self, tmp_path: Path) -> FakeStorage:
        """An empty one."""
        return FakeStorage(tmp_path)

    @pytest.fixture
    def broken(self, storage: FakeStorage) -> FakeStorage:
        """One that was told to fail."""
        storage.trouble = StorageError("the disk is on fire")
        return storage
