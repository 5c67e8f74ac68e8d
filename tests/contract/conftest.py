"""Servers that speak S3, each started by the first test that asks for it and shared by all of its worker."""

from collections.abc import AsyncIterator

import pytest

from tests.servers.ground import Ground, ground_on
from tests.servers.s3 import serve_moto, serve_rclone, serve_weed


@pytest.fixture(scope="session")
async def weed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """SeaweedFS: a good store."""
    folder = tmp_path_factory.mktemp("weed")
    with serve_weed(folder) as server:
        async with ground_on(server, folder) as ground:
            yield ground


@pytest.fixture(scope="session")
async def moto(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """moto: a store that takes bytes with any checksum."""
    folder = tmp_path_factory.mktemp("moto")
    with serve_moto(folder) as server:
        async with ground_on(server, folder) as ground:
            yield ground


@pytest.fixture(scope="session")
async def rclone(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """``rclone serve s3``: a store that replaces silently, and checks nothing."""
    folder = tmp_path_factory.mktemp("rclone")
    with serve_rclone(folder) as server:
        async with ground_on(server, folder) as ground:
            yield ground
