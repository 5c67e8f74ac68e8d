"""What every command that does something shares: its options, its configuration, its signals, its exit code."""

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from archiver.model.errors import ArchiverError, CatalogError, ConfigError, Denied, StorageError, Unreachable

if TYPE_CHECKING:
    from archiver.app.config.load import Config
    from archiver.app.logs import Level
    from archiver.app.signals import Interruption

_LEVELS: Final = ("debug", "info", "warning", "error")
_THREADS: Final = 32
"""Threads wait for disks more than they compute, so there are more of them than processors."""
_SIGNALLED: Final = 128
"""Exit codes above it name the signal that ended a command."""
_DEFAULT_GRACE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Common:
    """The options that every command takes."""

    config: Path | None
    log_level: "Level | None"
    as_json: bool


def common_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--config``, ``--log-level`` and ``--json``, gathered in its first argument."""

    @click.option("--config", type=click.Path(path_type=Path), metavar="PATH", help="The configuration file.")
    @click.option("--log-level", type=click.Choice(_LEVELS), help="How much to log; overrides the configuration.")
    @click.option("--json", "as_json", is_flag=True, help="Answer in JSON on stdout.")
    @functools.wraps(command)
    def wrapped(config: Path | None, log_level: "Level | None", as_json: bool, **options: Any) -> None:
        command(Common(config, log_level, as_json), **options)

    return wrapped


def load_config(common: Common) -> "Config":
    """Find and read the configuration, and set up logging as it says. Raises: ConfigError."""
    from archiver.app import logs
    from archiver.app.config.load import load

    config = load(common.config, os.environ)
    logs.configure(common.log_level or config.log.level, config.log.format)
    return config


def run_command(
    common: Common, body: "Callable[[Interruption], Awaitable[int]]", *, is_service: bool = False
) -> NoReturn:
    """Run a command's body under its signals and exit with its code; errors are printed and become exit codes.

    A service that was told to stop, and did, has done what it should: its code is 0.
    """
    code = asyncio.run(_guarded(common, body))
    raise SystemExit(0 if is_service and code > _SIGNALLED else code)


async def _guarded(common: Common, body: "Callable[[Interruption], Awaitable[int]]") -> int:
    from archiver.app import logs
    from archiver.app.cli.output import print_error
    from archiver.app.signals import Interruption, interruptible

    logs.configure(common.log_level or "warning", "auto")
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "archiver"))
    interruption = Interruption(grace=_DEFAULT_GRACE)
    try:
        with interruptible(interruption):
            code = await body(interruption)
    except asyncio.CancelledError:
        return interruption.exit_code
    except ArchiverError as error:
        print_error(error, as_json=common.as_json)
        return exit_code(error)
    except BaseExceptionGroup as group:
        cause = _first_of(group)
        print_error(cause, as_json=common.as_json)
        return exit_code(cause)
    return interruption.exit_code if interruption.received is not None else code


def _first_of(group: BaseExceptionGroup[BaseException]) -> ArchiverError:
    """The error of ours that brought a task group down. Raises: the group itself when there is none."""
    for error in group.exceptions:
        if isinstance(error, ArchiverError):
            return error
        if isinstance(error, BaseExceptionGroup) and error.subgroup(ArchiverError):
            return _first_of(error)
    raise group


def exit_code(error: ArchiverError) -> int:
    """The contract's exit code for an error that ended a command."""
    if isinstance(error, (ConfigError, Denied)):
        return 2
    return 3 if isinstance(error, (CatalogError, StorageError, Unreachable)) else 1
