"""The folder behind ``embedded:PATH``.

turn.lock      held by the one command that starts, stops or looks after the server
users.lock     shared by every command that uses it
server.lock    inherited by the server's own processes: free exactly when none of them lives
data/          the PostgreSQL data directory; it appears by a rename, complete or not at all
sockets/       the server's only door
server.log     what the server says
"""

import errno
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from archiver.catalog.embedded.lock import Lock
from archiver.catalog.embedded.waiting import wait_until
from archiver.model.errors import CatalogUnavailable, ConfigError

TURN_LIMIT_SECONDS = 120.0
_ADDRESS_LIMIT_BYTES = 103  # of a socket's path: 107 on Linux, 103 on macOS
_LOG_LIMIT_BYTES = 8 * 2**20
_OPERATOR_ERRORS = {
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EROFS,
    errno.ELOOP,
    errno.ENAMETOOLONG,
}


@dataclass(frozen=True, slots=True)
class Home:
    """The folder, resolved, with the user and group that own it."""

    path: Path
    owner_id: int
    group_id: int

    @property
    def data(self) -> Path:
        """The data directory; it exists once it is complete."""
        return self.path / "data"

    @property
    def sockets(self) -> Path:
        """The directory of the server's socket, named ``../sockets`` by the server."""
        return self.path / "sockets"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.path / "server.log"

    def open(self, name: str, flags: int = 0) -> int:
        """Open a private file of the folder for reading and writing; a new one belongs to the folder's owner."""
        path = self.path / name
        flags |= os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return os.open(path, flags)
        if self.owner_id != os.geteuid():
            os.fchown(descriptor, self.owner_id, self.group_id)
        return descriptor

    def open_log(self) -> int:
        """Open the server's log for appending; one that has grown large begins anew."""
        descriptor = self.open(self.log.name, os.O_APPEND)
        if os.fstat(descriptor).st_size > _LOG_LIMIT_BYTES:
            os.ftruncate(descriptor, 0)
        return descriptor

    def lock(self, name: str) -> Lock:
        """Open the lock ``NAME.lock``; nobody holds it yet."""
        return Lock(self.open(f"{name}.lock"))

    @asynccontextmanager
    async def turn(self, limit_seconds: float = TURN_LIMIT_SECONDS) -> AsyncIterator[None]:
        """Be the only one, over all processes, who touches the server.

        Raises: CatalogUnavailable when another command keeps its turn for longer than ``limit_seconds``.
        """
        with self.lock("turn") as turn:
            if not await wait_until(turn.try_exclusive, limit_seconds):
                raise CatalogUnavailable(
                    f"another command has been busy with the catalog's server in {self.path} for {limit_seconds:.0f} s",
                    fix="see what that command is doing; end it if it hangs",
                )
            yield


def open_home(path: Path) -> Home:
    """Create the folder if need be and make it private.

    Raises: ConfigError when it cannot be ours or holds other things; CatalogUnavailable when the disk fails.
    """
    path = path.resolve()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_ours(path)
        found = path.stat()
        if found.st_mode & 0o077:
            path.chmod(0o700)
        home = Home(path, found.st_uid, found.st_gid)
        os.close(home.open("turn.lock"))
        _make_sockets(home)
    except OSError as error:
        raise _refusal(path, error) from error
    return home


def _require_ours(path: Path) -> None:
    names = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")} - {"lost+found"}
    if names and "turn.lock" not in names:
        raise ConfigError(
            f"the folder {path} holds other things and cannot become a catalog",
            key="catalog.dsn",
            fix="name an empty or a new folder after embedded:",
        )


def _make_sockets(home: Home) -> None:
    try:
        home.sockets.mkdir(mode=0o700)
    except FileExistsError:
        return
    if home.owner_id != os.geteuid():
        os.chown(home.sockets, home.owner_id, home.group_id, follow_symlinks=False)


def _refusal(path: Path, error: OSError) -> ConfigError | CatalogUnavailable:
    message = f"the catalog's folder {path} cannot be used: {error.strerror}"
    if error.errno not in _OPERATOR_ERRORS:
        return CatalogUnavailable(message)
    fix = "name a folder after embedded: that this user may write, or run as the user who owns it"
    return ConfigError(message, key="catalog.dsn", fix=fix)


@contextmanager
def reachable(sockets: Path) -> Iterator[Path]:
    """Yield a name of the directory that fits into a socket address and a DSN: its own, or a private link to it.

    The server binds by a relative path, so only clients care, and each may have a link of its own.
    """
    if len(os.fsencode(sockets / ".s.PGSQL.5432")) <= _ADDRESS_LIMIT_BYTES and re.fullmatch(r"[\w/.+-]+", str(sockets)):
        yield sockets
        return
    with (
        tempfile.TemporaryDirectory(prefix="archiver-", ignore_cleanup_errors=True) as folder,
        Lock(os.open(folder, os.O_RDONLY | os.O_CLOEXEC)) as in_use,
    ):
        in_use.try_shared()  # cleaners of old temporary files pass over a directory that is locked
        link = Path(folder) / "sockets"
        link.symlink_to(sockets)
        yield link
