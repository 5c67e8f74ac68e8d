"""What can be seen of folders without writing to them: as this user, could the archiver work there?"""

import os
import pwd
import shutil
from pathlib import Path

from archiver.catalog.embedded.cluster import require_name
from archiver.catalog.embedded.home import Home, open_home
from archiver.catalog.embedded.program import find_program
from archiver.model.errors import ConfigError, StorageError
from archiver.model.units import format_size


def require_embedded(path: Path) -> None:
    """See that a private PostgreSQL can run here, as this user, on this folder. One that is not there is not made.

    Raises: ConfigError (key ``catalog.dsn``); CatalogUnavailable when the disk fails.
    """
    is_new = not os.path.lexists(path)
    home = Home(path.resolve(), os.geteuid(), os.getegid()) if is_new else open_home(path)
    program = find_program(home)
    if not home.data.exists():
        require_name(program.identity)
    if is_new and (reason := _unwritable(path)):
        fix = "name a folder after embedded: that this user may write"
        raise ConfigError(f"the catalog's folder {path} cannot be created: {reason}", key="catalog.dsn", fix=fix)


def require_folder(folder: Path, min_free: int) -> None:
    """See that this user can write in the folder, or make it, and that so many bytes are free.

    Raises: StorageError.
    """
    if reason := _unwritable(folder):
        fix = f"let {user()} write there, or name another folder"
        raise StorageError(f"{folder} cannot be written: {reason}", fix=fix)
    free = shutil.disk_usage(_existing(folder)).free
    if free < min_free:
        message = f"{folder} has {format_size(free)} free, less than {format_size(min_free)}"
        raise StorageError(message, fix="free some space, or lower storage.min_free", key="storage.min_free")


def user() -> str:
    """The name of the user that this process runs as, or its number where it has none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


def _unwritable(folder: Path) -> str | None:
    """Why this user can neither write in the folder nor make it; None when one of them is possible."""
    place = _existing(folder)
    if not place.is_dir():
        return f"{place} is no directory"
    return None if os.access(place, os.W_OK | os.X_OK) else f"{place} is not writable for {user()}"


def _existing(path: Path) -> Path:
    """The path itself, or the nearest one above it that is there, as far as this user can see."""
    return next(place for place in (path, *path.parents) if os.path.exists(place))  # noqa: PTH110 - Path.exists raises
