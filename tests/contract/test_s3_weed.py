"""A bucket of SeaweedFS keeps the contract of storages."""

from pathlib import Path

import pytest

from archiver.storage.s3.storage import S3Storage
from tests.contract.s3 import S3Contract
from tests.contract.storage import StorageContract
from tests.servers.ground import Ground


class TestWeed(StorageContract, S3Contract):
    """S3 over a store that keeps every condition."""

    @pytest.fixture
    def storage(self, weed: Ground, tmp_path: Path) -> S3Storage:
        """An empty prefix."""
        return weed.storage(tmp_path)

    @pytest.fixture
    def parted(self, weed: Ground, tmp_path: Path) -> S3Storage:
        """An empty prefix where everything is put in parts."""
        return weed.storage(tmp_path, multipart_above=0, part_size=5 * 2**20)

    @pytest.fixture
    async def broken(self, weed: Ground, tmp_path: Path) -> S3Storage:
        """A storage whose bucket is gone."""
        return await weed.broken(tmp_path)


class TestWeedInParts(StorageContract):
    """S3 where every body is put in parts."""

    @pytest.fixture
    def storage(self, weed: Ground, tmp_path: Path) -> S3Storage:
        """An empty prefix."""
        return weed.storage(tmp_path, multipart_above=0)

    @pytest.fixture
    async def broken(self, weed: Ground, tmp_path: Path) -> S3Storage:
        """A storage whose bucket is gone."""
        return await weed.broken(tmp_path)
