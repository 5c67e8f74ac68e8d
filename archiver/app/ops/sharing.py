"""The folder in which the processes of one host count together, so that one scrape shows them all.

Context: the client library counts in files of such a folder when a variable of the environment names it, but it looks
at that on its import, long before the configuration is read, and it names the files by process id. Decision: where to
count is decided when counts are made, and the files bear the number of the process: a worker that is started again goes
on counting where the one that died ended, so counters do not fall and files do not pile up. Price: this sets the
library's ``values.ValueClass``; a test finds out if that moves.

Source: prometheus_client/values.py and multiprocess.py of 0.25, read 2026-11-26.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import values

from archiver.app.daemon.processes import WORKER
from archiver.model.errors import ConfigError

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable of the environment that names it, for the library and for the other processes."""


@contextmanager
def shared_counts(processes: int) -> Iterator[None]:
    """Let so many processes of this host count together while this is open, from nothing. Only the first opens it.

    Raises: ConfigError when there is no room for temporary files.
    """
    os.environ.pop(FOLDER, None)  # it would be another program's
    if processes == 1:
        yield
        return
    with _folder() as folder:
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]


def is_shared() -> bool:
    """Whether this process counts together with others."""
    return FOLDER in os.environ


def choose_place() -> None:
    """Let counts that are made from now on be in the shared folder, if there is one, else in this process alone."""
    if is_shared():
        values.ValueClass = values.MultiProcessValue(_number)  # type: ignore[no-untyped-call]  # the library has no types here
    else:
        values.ValueClass = values.MutexValue


def _number() -> str:
    return os.environ.get(WORKER, "0")


def _folder() -> "tempfile.TemporaryDirectory[str]":
    try:
        return tempfile.TemporaryDirectory(prefix="archiver-metrics-")
    except OSError as error:
        message = f"several processes count in a temporary folder, which cannot be made: {error.strerror or error}"
        raise ConfigError(
            message, key="transfer.processes", fix="let TMPDIR name a folder that can be written"
        ) from error
