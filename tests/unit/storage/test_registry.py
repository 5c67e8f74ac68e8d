"""Which storage a URL means."""

import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from archiver.model.errors import ConfigError
from archiver.ports.storage import Storage
from archiver.storage.registry import StorageOptions, open_storage
from archiver.storage.s3.options import S3Options

ROOT = Path(__file__).parents[3]


def opened(url: str) -> AbstractAsyncContextManager[Storage]:
    """The storage behind a URL, relative to /etc/archiver."""
    s3 = S3Options(spool=Path("/var/spool/archiver"), spool_size=1, endpoint="https://127.0.0.1:9")
    return open_storage(StorageOptions(url=url, folder=Path("/etc/archiver"), min_free=0, file_mode=0o640, s3=s3))


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("file:./var/recordings", "/etc/archiver/var/recordings"),
        ("file:var", "/etc/archiver/var"),
        ("file:/srv/calls", "/srv/calls"),
        ("file:///srv/calls", "/srv/calls"),
    ],
)
async def test_a_file_url_is_a_directory(url: str, place: str) -> None:
    """Relative paths are relative to the configuration's folder."""
    async with opened(url) as storage:
        assert storage.url == f"file:{place}"


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/a/b"])
async def test_an_s3_url_is_a_bucket_with_a_prefix(url: str) -> None:
    """Nothing is asked of the bucket when it is opened."""
    async with opened(url) as storage:
        assert storage.url == url


@pytest.mark.parametrize("url", ["s3:", "s3:///x", "file:", "file://host/x", "ftp://x", "/srv/calls", "", "file"])
async def test_any_other_url_is_a_configuration_error(url: str) -> None:
    """T6: the error names the key, the URL and what to write instead."""
    with pytest.raises(ConfigError) as refused:
        await opened(url).__aenter__()
    assert refused.value.key == "storage.url"
    assert repr(url) in str(refused.value)
    assert "file:" in (refused.value.fix or "")


WITHOUT_THE_EXTRA = """
import asyncio, sys
sys.modules["aiobotocore"] = None
from tests.unit.storage.test_registry import ConfigError, opened
async def main():
    async with opened("file:/srv/calls") as storage:
        assert storage.url == "file:/srv/calls"
    try:
        await opened("s3://bucket").__aenter__()
    except ConfigError as error:
        print(error.fix)
asyncio.run(main())
"""


def test_a_missing_extra_is_named_with_the_command_that_installs_it() -> None:
    """T6: without aiobotocore an s3 URL is a configuration error, and a directory still works."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_THE_EXTRA], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "pip install 'recording-archiver[s3]'"
