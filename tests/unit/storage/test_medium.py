"""Reading past the caches."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from archiver.storage.medium import MediumReader, hash_from_medium

BLOCK, BUFFER = 4096, 1 << 20


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, BUFFER - 1, BUFFER, BUFFER + 1, 3 * BUFFER + 77])
@pytest.mark.parametrize("is_direct", [True, False])
def test_every_size_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, is_direct: bool) -> None:
    """R6: whatever its length, and whether O_DIRECT works or not, a file's digest is that of its bytes."""
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    (tmp_path / "file").write_bytes(content)
    if not is_direct:
        refuse_direct(monkeypatch)
    assert hash_from_medium(tmp_path / "file") == hashlib.sha256(content).digest()


def refuse_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system refuse O_DIRECT, as some file systems do."""
    real = os.open

    def refusing(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument", str(path))
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refusing)


def test_the_method_says_how_far_it_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R2: a reading that had to do without O_DIRECT says so."""
    (tmp_path / "file").write_bytes(b"x")
    refuse_direct(monkeypatch)
    with MediumReader(tmp_path / "file") as reader:
        assert reader.method == "absent"
        assert reader.advance(1)
        assert reader.method == "fadvise"


def test_a_long_reading_goes_in_slices(tmp_path: Path) -> None:
    """Between slices a reading can be given up; the end is told."""
    (tmp_path / "file").write_bytes(bytes(5 * BUFFER))
    with MediumReader(tmp_path / "file") as reader:
        assert [reader.advance(2 * BUFFER) for _ in range(3)] == [False, False, True]
        assert reader.size_bytes == 5 * BUFFER
        assert reader.digest == hashlib.sha256(bytes(5 * BUFFER)).digest()


def test_a_file_that_shrinks_is_an_error(tmp_path: Path) -> None:
    """R6: what is cut while it is read never gets a digest."""
    path = tmp_path / "file"
    path.write_bytes(bytes(3 * BUFFER))
    with MediumReader(path) as reader:
        assert not reader.advance(BUFFER)
        os.truncate(path, BUFFER)
        with pytest.raises(OSError, match="shorter"):
            reader.advance(2 * BUFFER)


def test_symbolic_links_and_folders_are_not_read(tmp_path: Path) -> None:
    """S3: only a plain file is an object."""
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    for name in ("link", "folder"):
        with pytest.raises(OSError, match=r"link|directory"):
            hash_from_medium(tmp_path / name)
