"""A bucket of moto keeps the contract of storages."""

from pathlib import Path

import pytest

from archiver.storage.s3.storage import S3Storage
from tests.contract.s3 import S3Contract
from tests.contract.storage import StorageContract
from tests.servers.ground import Ground


class TestMoto(StorageContract):
    """S3 over a store that checks no bytes."""

    @pytest.fixture
    def storage(self, moto: Ground, tmp_path: Path) -> S3Storage:
        """An empty prefix."""
        return moto.storage(tmp_path)

    @pytest.fixture
    def parted(self, moto: Ground, tmp_path: Path) -> S3Storage:
        """An empty prefix where everything is put in parts."""
        return moto.storage(tmp_path, multipart_above=0, part_size=5 * 2**20)

    test_a_large_body_goes_up_in_parts = S3Contract.test_a_large_body_goes_up_in_parts
    test_a_large_body_replaces_a_damaged_one = S3Contract.test_a_large_body_replaces_a_damaged_one

    @pytest.fixture
    async def broken(self, moto: Ground, tmp_path: Path) -> S3Storage:
        """A storage whose bucket is gone."""
        return await moto.broken(tmp_path)
