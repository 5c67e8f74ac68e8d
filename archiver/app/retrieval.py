"""``archiver get``: the audio out of storage, its digest checked before anybody gets to use it."""

import asyncio
import hashlib
import os
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from archiver.app.naming import full_name
from archiver.model.errors import ArchiverError, IntegrityError, StorageError
from archiver.model.objects import Key
from archiver.ports.catalog import Record
from archiver.ports.storage import Storage


class NotStored(ArchiverError):
    """The recording is known, and storage has no audio of it."""

    code = "not_stored"


class OutputError(ArchiverError):
    """Where the audio was to go cannot be written."""

    code = "output"


async def save(storage: Storage, record: Record, target: Path) -> Path:
    """Write the audio to ``target``, or into it under its own name when it is a folder; answers the file.

    The file appears when it is whole and its digest is right, and replaces what lay there.

    Raises: NotStored, IntegrityError for other bytes than the catalog's, OutputError, StorageError.
    """
    key = key_of(record)
    path = await asyncio.to_thread(_destination, target, key)
    part = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    try:
        with part.open("xb") as file:
            await _copy(storage, record, key, file)
            await asyncio.to_thread(os.fsync, file.fileno())
        part.replace(path)
    except StorageError:
        if (await storage.read_back(key)).digest is None:
            raise _mismatch(record, None) from None
        raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}", fix="name another file with -o") from error
    finally:
        part.unlink(missing_ok=True)
    return path


def _destination(target: Path, key: Key) -> Path:
    return target / Path(key).name if target.is_dir() else target


async def stream(storage: Storage, record: Record, output: BinaryIO) -> None:
    """Write the audio to ``output``, after it was read once to see that its digest is right.

    Raises: NotStored, IntegrityError, OutputError, StorageError.
    """
    key = key_of(record)
    reading = await storage.read_back(key)
    if reading.digest != record.digest:
        raise _mismatch(record, reading.size_bytes if reading.digest else None)
    try:
        await _copy(storage, record, key, output)
        output.flush()
    except OSError as error:
        raise OutputError(f"cannot write the audio: {error.strerror}") from error


async def _copy(storage: Storage, record: Record, key: Key, output: BinaryIO) -> None:
    digest, size_bytes = hashlib.sha256(), 0
    async with storage.open(key) as chunks:
        async for chunk in chunks:
            digest.update(chunk)
            size_bytes += len(chunk)
            await asyncio.to_thread(output.write, chunk)
    if digest.digest() != record.digest:
        raise _mismatch(record, size_bytes)


def key_of(record: Record) -> Key:
    """Where its audio lies. Raises: NotStored when there is none."""
    if record.key is None:
        why = f": {record.error}" if record.error else ""
        raise NotStored(
            f"{full_name(record)} is {record.state}, and not stored{why}", fix="run `archiver backfill` to fetch it"
        )
    return Key(record.key)


def _mismatch(record: Record, found_bytes: int | None) -> IntegrityError:
    found = "nothing" if found_bytes is None else f"{found_bytes:,} other bytes"
    return IntegrityError(
        f"{full_name(record)}: {found} lie under {record.key}, where {record.size_bytes or 0:,} bytes with SHA-256 "
        f"{record.digest.hex() if record.digest else '?'} should",
        fix=f"run `archiver verify {full_name(record)}`, then `archiver backfill` to fetch it again",
    )
