"""A bucket of rclone serve s3 keeps the contract of storages."""

from pathlib import Path

import pytest

from archiver.storage.s3.storage import S3Storage
from tests.contract.s3 import S3Contract
from tests.contract.storage import StorageContract
from tests.servers.ground import Ground


class TestRclone(StorageContract, S3Contract):
    """S3 over a store that replaces silently."""

    @pytest.fixture
    def storage(self, rclone: Ground, tmp_path: Path) -> S3Storage:
        """An empty prefix."""
        return rclone.storage(tmp_path)

    @pytest.fixture
    def parted(self, rclone: Ground, tmp_path: Path) -> S3Storage:
        """An empty prefix where everything is put in parts."""
        return rclone.storage(tmp_path, multipart_above=0, part_size=5 * 2**20)

    @pytest.fixture
    async def broken(self, rclone: Ground, tmp_path: Path) -> S3Storage:
        """A storage whose bucket is gone."""
        return await rclone.broken(tmp_path)
