"""The directory keeps the contract of storages."""

from pathlib import Path

import pytest

from archiver.storage.local import LocalOptions, LocalStorage
from tests.contract.storage import StorageContract


class TestLocalStorage(StorageContract):
    """A directory on a real file system."""

    @pytest.fixture
    async def storage(self, tmp_path: Path) -> LocalStorage:
        """A fresh directory."""
        storage = LocalStorage(LocalOptions(root=tmp_path / "root", min_free=0, file_mode=0o640))
        await storage.probe()
        return storage

    @pytest.fixture
    def broken(self, storage: LocalStorage, tmp_path: Path) -> LocalStorage:
        """A directory whose mount is lost: the empty mount point is left."""
        (tmp_path / "root").rename(tmp_path / "elsewhere")
        (tmp_path / "root").mkdir()
        return storage
