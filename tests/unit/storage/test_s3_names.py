"""What objects are called in a bucket."""

from uuid import UUID

import pytest

from archiver.model.errors import StorageError
from archiver.model.objects import Digest, Key
from archiver.model.recording import LeaseId
from archiver.storage.s3.names import Names, split_url

LEASE = LeaseId(UUID(int=7))


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("s3://calls", Names("calls", "")),
        ("s3://calls/", Names("calls", "")),
        ("s3://calls/a/b/", Names("calls", "a/b")),
    ],
)
def test_a_url_is_a_bucket_and_a_prefix(url: str, names: Names) -> None:
    """The prefix has no slash at its ends, and the url of the names is that of the storage."""
    assert split_url(url) == names
    assert names.url == url.rstrip("/")


@pytest.mark.parametrize("prefix", ["", "a/b"])
def test_everything_lies_below_the_prefix(prefix: str) -> None:
    """Objects and our own lie below the prefix, ours under ``.archiver/``."""
    names, before = Names("calls", prefix), f"{prefix}/" if prefix else ""
    assert names.object(Key("x/y.wav")) == f"{before}x/y.wav"
    assert names.marker(LEASE) == f"{before}.archiver/parts/{LEASE}.json"
    assert names.aside(Key("x"), Digest(b"\1" * 32)) == f"{before}.archiver/damaged/x~010101010101"


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/.archiver/b", ".a", "a\0b", "a/"])
def test_a_key_cannot_leave(key: str) -> None:
    """S3: what could leave the prefix, or enter ``.archiver``, is refused."""
    with pytest.raises(StorageError, match="refused"):
        Names("calls", "p").object(Key(key))


@pytest.mark.parametrize("name", ["p/.archiver/parts/x.json", "p/.archiver/parts/7", f"q/.archiver/parts/{LEASE}.json"])
def test_only_markers_have_leases(name: str) -> None:
    """O4: what is no marker of ours is left alone."""
    names = Names("calls", "p")
    assert names.lease_of(names.marker(LEASE)) == LEASE
    assert names.lease_of(name) is None
