"""Files that survive a power cut, and names that are given without taking any away.

A file is durable when its bytes are synced, the folder that holds its name is synced after the name was given, and
so on up to the root. A name is given by ``link``, which never replaces. A file system without hard links (FAT, some
network mounts) gets ``renameat2(RENAME_NOREPLACE)``, which does not either; one that has neither cannot be a storage:
every other way (create the name first, or look and then rename) can show an empty object or replace one.

A failed fsync is final for the bytes it was asked about: the kernel may drop them and report the next fsync as a
success, so the file is removed and never synced again.
Source: Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020.
"""

import ctypes
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from archiver.model.errors import StorageError

_LOCK_PATIENCE_S: Final = 10.0
_LOCK_PAUSE_S: Final = 0.01
_KNOWN_FOLDERS: Final = 4096
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})
_AT_FDCWD: Final = -100
_RENAME_NOREPLACE: Final = 1
_IN_THE_WAY: Final = "storage.url must name a directory, and no file may lie where a folder is needed"
_OTHER_FILE_SYSTEM: Final = "store on a file system with locks and with hard links or renameat2, such as ext4 or XFS"
_FIXES: Final = {
    errno.ENOSPC: "free some space on this file system",
    errno.EDQUOT: "raise the quota of the user that runs the archiver, or free some space",
    errno.EROFS: "mount the file system writable; after a disk error it may have become read-only by itself",
    errno.EACCES: "give the user that runs the archiver the right to write there",
    errno.EPERM: "give the user that runs the archiver the right to write there",
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
    errno.ENAMETOOLONG: "shorten storage.key",
    errno.ENOLCK: _OTHER_FILE_SYSTEM,
    errno.ENOTSUP: _OTHER_FILE_SYSTEM,
    errno.EINVAL: _OTHER_FILE_SYSTEM,
    errno.EIO: "check the disk and the kernel's log",
    errno.ENOENT: "check that the storage is mounted",
}


@contextmanager
def explained(action: str) -> Iterator[None]:
    """Turn an ``OSError`` inside into a StorageError: what could not be done, the cause, where, and what helps."""
    try:
        yield
    except OSError as error:
        where = f" at {os.fsdecode(error.filename)}" if isinstance(error.filename, (str, bytes, os.PathLike)) else ""
        cause = f"{error.strerror or error} ({errno.errorcode.get(error.errno or 0, 'unknown')}){where}"
        raise StorageError(f"cannot {action}: {cause}", fix=_FIXES.get(error.errno or 0)) from error


def write_durably(path: Path, content: bytes, mode: int) -> None:
    """Write a new file and sync it. What lay there is left to its other names. Its own name is not yet durable."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)


def finish_part(path: Path, size_bytes: int, mode: int) -> None:
    """Sync a part that somebody else wrote, and set its mode. It is removed when that fails: see the module.

    Raises: StorageError when it does not have ``size_bytes``.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        found = os.fstat(descriptor).st_size
        if found != size_bytes:
            raise StorageError(f"{path} has {found} bytes instead of {size_bytes}")
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def sync(path: Path) -> None:
    """Sync a file's bytes, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_durably(source: Path, target: Path) -> None:
    """Give a synced file a new name, make that durable, then drop the old name. A power cut leaves at least one.

    Raises: FileExistsError when the name is taken; nothing has changed then.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _rename_new(source, target)
    sync(target.parent)
    source.unlink(missing_ok=True)


def _rename_new(source: Path, target: Path) -> None:
    """Rename without replacing. Source: renameat2(2), Linux man-pages."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        raise OSError(errno.ENOTSUP, "no hard links here, and no rename that never replaces", str(target))
    answer = rename(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE)
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


class Folders:
    """Makes folders below a root, each one durable in its parent before it is used.

    A folder that is merely there may have been made by another writer a moment ago and not be durable yet: it is
    synced too, once, and then remembered.
    """

    def __init__(self, root: Path, mode: int) -> None:
        self._root = root
        self._mode = mode
        self._known: set[Path] = set()

    def ensure(self, folder: Path) -> None:
        """Make the folder and those above it, up to the root, which is never made here: it may be a lost mount."""
        if folder == self._root or (folder in self._known and folder.is_dir()):
            return
        self.ensure(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir()
            folder.chmod(self._mode)
        sync(folder.parent)
        if len(self._known) >= _KNOWN_FOLDERS:
            self._known.clear()
        self._known.add(folder)


@contextmanager
def locked(path: Path, patience_s: float = _LOCK_PATIENCE_S) -> Iterator[None]:
    """Hold a lock that excludes other threads and processes; the kernel frees it when its holder dies.

    Raises: StorageError when somebody else held it for ``patience_s`` seconds.
    """
    give_up_at = time.monotonic() + patience_s
    while (descriptor := _try_lock(path)) is None:
        if time.monotonic() > give_up_at:
            raise StorageError(f"another writer is at work on the same key; it holds {path}")
        time.sleep(_LOCK_PAUSE_S)
    try:
        yield
    finally:
        with suppress(OSError):  # a file that stays locks nothing, and is swept
            path.unlink()
        os.close(descriptor)


def remove_dead_lock(path: Path) -> None:
    """Remove the lock file that a killed writer left; one that is held stays."""
    if (descriptor := _try_lock(path)) is not None:
        try:
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _try_lock(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)  # held by somebody, or removed by its last holder: then it locks nothing
    return None
