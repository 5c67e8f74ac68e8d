"""Which storage a URL means: a plain table."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archiver.model.errors import ConfigError
from archiver.ports.storage import Storage
from archiver.storage.local import LocalOptions, LocalStorage
from archiver.storage.s3.names import split_url
from archiver.storage.s3.options import S3Options

_FIX: Final = 'write it like storage.url = "file:./var/recordings", or "s3://my-bucket/recordings"'


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageOptions:
    """What the operator says about the storage.

    ``folder`` is what a relative path is relative to; ``min_free`` is in bytes; ``file_mode`` as ``chmod`` takes it.
    ``s3`` is needed for a bucket only.
    """

    url: str
    folder: Path
    min_free: int
    file_mode: int
    s3: S3Options | None = None


@asynccontextmanager
async def open_storage(options: StorageOptions) -> AsyncIterator[Storage]:
    """The storage behind ``options.url``, for as long as the context is open; nothing in it is touched yet.

    Raises: ConfigError for a URL that names none, and for options that are of no use to it.
    """
    scheme, colon, _ = options.url.partition(":")
    builder = BUILDERS.get(scheme) if colon else None
    if builder is None:
        raise ConfigError(f"{options.url!r} is no storage that this version knows", key="storage.url", fix=_FIX)
    async with builder(options) as storage:
        yield storage


@asynccontextmanager
async def _directory(options: StorageOptions) -> AsyncIterator[Storage]:
    path = options.url.removeprefix("file:")
    if path.startswith("//"):
        path = path.removeprefix("//")
        if not path.startswith("/"):
            raise ConfigError(f"{options.url!r} names a host; a directory has none", key="storage.url", fix=_FIX)
    if not path or "\0" in path:
        raise ConfigError(f"{options.url!r} names no directory", key="storage.url", fix=_FIX)
    root = options.folder / path
    yield LocalStorage(LocalOptions(root=root, min_free=options.min_free, file_mode=options.file_mode))


@asynccontextmanager
async def _bucket(options: StorageOptions) -> AsyncIterator[Storage]:
    """The client is imported here and nowhere else: it takes a second, and belongs to an extra."""
    try:
        names = split_url(options.url)
    except ValueError as error:
        raise ConfigError(f"{options.url!r} {error}", key="storage.url", fix=_FIX) from error
    if options.s3 is None:
        raise ConfigError(f"{options.url!r} needs the options of [storage.s3]", key="storage.s3")
    try:
        from archiver.storage.s3.storage import open_bucket  # noqa: PLC0415 - see above
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in {"aiobotocore", "botocore"}:
            raise
        raise ConfigError(
            f"{options.url!r} needs the extra s3, which is not installed: there is no {missing}",
            key="storage.url",
            fix="pip install 'recording-archiver[s3]'",
        ) from error
    async with open_bucket(names, options.s3) as storage:
        yield storage


BUILDERS: Final[Mapping[str, Callable[[StorageOptions], AbstractAsyncContextManager[Storage]]]] = {
    "file": _directory,
    "s3": _bucket,
}
