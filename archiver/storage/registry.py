"""Which storage a URL means: a plain table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archiver.model.errors import ConfigError
from archiver.ports.storage import Storage
from archiver.storage.local import LocalOptions, LocalStorage

_FIX: Final = 'write it like storage.url = "file:./var/recordings"'


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageOptions:
    """What the operator says about the storage.

    ``folder`` is what a relative path is relative to; ``min_free`` is in bytes; ``file_mode`` as ``chmod`` takes it.
    """

    url: str
    folder: Path
    min_free: int
    file_mode: int


def open_storage(options: StorageOptions) -> Storage:
    """The storage behind ``options.url``; nothing is touched yet.

    Raises: ConfigError for a URL that names none.
    """
    scheme, colon, _ = options.url.partition(":")
    builder = BUILDERS.get(scheme) if colon else None
    if builder is None:
        raise ConfigError(f"{options.url!r} is no storage that this version knows", key="storage.url", fix=_FIX)
    return builder(options)


def _directory(options: StorageOptions) -> Storage:
    path = options.url.removeprefix("file:")
    if path.startswith("//"):
        path = path.removeprefix("//")
        if not path.startswith("/"):
            raise ConfigError(f"{options.url!r} names a host; a directory has none", key="storage.url", fix=_FIX)
    if not path or "\0" in path:
        raise ConfigError(f"{options.url!r} names no directory", key="storage.url", fix=_FIX)
    root = options.folder / path
    return LocalStorage(LocalOptions(root=root, min_free=options.min_free, file_mode=options.file_mode))


def _not_yet(options: StorageOptions) -> Storage:
    raise ConfigError(
        f"{options.url!r}: this version stores in directories only, not in object storage", key="storage.url", fix=_FIX
    )


BUILDERS: Final[Mapping[str, Callable[[StorageOptions], Storage]]] = {"file": _directory, "s3": _not_yet}
