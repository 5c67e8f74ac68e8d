"""Which storage a URL means."""

from pathlib import Path

import pytest

from archiver.model.errors import ConfigError
from archiver.ports.storage import Storage
from archiver.storage.registry import StorageOptions, open_storage


def opened(url: str) -> Storage:
    """The storage behind a URL, relative to /etc/archiver."""
    return open_storage(StorageOptions(url=url, folder=Path("/etc/archiver"), min_free=0, file_mode=0o640))


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("file:./var/recordings", "/etc/archiver/var/recordings"),
        ("file:var", "/etc/archiver/var"),
        ("file:/srv/calls", "/srv/calls"),
        ("file:///srv/calls", "/srv/calls"),
    ],
)
def test_a_file_url_is_a_directory(url: str, place: str) -> None:
    """Relative paths are relative to the configuration's folder."""
    assert opened(url).url == f"file:{place}"


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "file:", "file://host/x", "ftp://x", "/srv/calls", "", "file"])
def test_any_other_url_is_a_configuration_error(url: str) -> None:
    """T6: the error names the key, the URL and what to write instead."""
    with pytest.raises(ConfigError) as refused:
        opened(url)
    assert refused.value.key == "storage.url"
    assert repr(url) in str(refused.value)
    assert "file:" in (refused.value.fix or "")


def test_object_storage_is_said_to_come_later() -> None:
    """T6: who asks for S3 learns that this version stores in directories only."""
    with pytest.raises(ConfigError, match="directories only"):
        opened("s3://bucket")
