"""Slices of bodies, as the client reads them."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.storage.s3.bodies import Slice, digest_range

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A body in a file."""
    path = tmp_path / "body"
    path.write_bytes(CONTENT)
    return path


@given(start=st.integers(0, 1024), size=st.integers(0, 1024), skip=st.integers(0, 1100), most=st.integers(1, 300))
def test_a_slice_is_a_file_of_its_own(start: int, size: int, skip: int, most: int) -> None:
    """Wherever it begins, position 0 is its first byte, and its last one is its end."""
    size = min(size, 1024 - start)
    with Slice(CONTENT, start, size) as part:
        part.seek(skip)
        found = b"".join(iter(lambda: part.read(most) or b"", b""))
        assert found == CONTENT[start : start + size][skip:]
        assert part.seek(0, os.SEEK_END) == size


@pytest.mark.parametrize("source", [lambda path: path, lambda _: CONTENT], ids=["file", "memory"])
def test_a_range_is_hashed(source: Callable[[Path], bytes | Path], path: Path) -> None:
    """The digest is the range's, and its bytes are told on in their order."""
    whole = hashlib.sha256()
    digests = [digest_range(source(path), start, 300, whole.update) for start in (0, 300, 600)]
    assert digests[1] == hashlib.sha256(CONTENT[300:600]).digest()
    assert whole.digest() == hashlib.sha256(CONTENT[:900]).digest()


def test_a_file_that_became_shorter_is_an_error(path: Path) -> None:
    """R3: fewer bytes than were promised are an EIO, kept for whoever sent the slice."""
    with Slice(path, 0, len(CONTENT)) as part:
        os.truncate(path, 0)
        with pytest.raises(OSError, match="shorter"):
            part.read(10)
        assert part.trouble is not None


def test_reading_tells_of_progress(path: Path) -> None:
    """Each reading is told, so that whoever waits knows that something moves."""
    told = []
    with Slice(path, 0, 100) as part:
        part.on_read = lambda: told.append(part.tell())
        part.read(60)
        part.read(60)
    assert told == [60, 100]


def test_a_link_is_no_body(path: Path) -> None:
    """S3: a symbolic link in the spool is not followed."""
    link = path.with_name("link")
    link.symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"):
        Slice(link, 0, 1)
