"""Find the configuration, read it once, and report everything that is wrong with it before anything is requested."""

import dataclasses
import re
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from archiver.app.config.accounts import AccountConfig, AccountReader
from archiver.app.config.problems import Document, Problem, kind_of, report, unknown_key
from archiver.app.config.reader import Reader
from archiver.app.config.schema import (
    CatalogConfig,
    LogConfig,
    NotifyConfig,
    OpsConfig,
    ScheduleConfig,
    StorageConfig,
    TransferConfig,
)
from archiver.app.config.secrets import Sources
from archiver.model.errors import ConfigError
from archiver.providers.registry import PROVIDERS, Registration

VARIABLE: Final = "ARCHIVER_CONFIG"
SYSTEM_FILE: Final = Path("/etc/archiver/config.toml")
_POSITION: Final = re.compile(r"(?P<message>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that the operator decided. ``accounts`` are in the order of the file, those not enabled included."""

    catalog: CatalogConfig
    storage: StorageConfig
    transfer: TransferConfig
    schedule: ScheduleConfig
    ops: OpsConfig
    notify: NotifyConfig
    log: LogConfig
    accounts: tuple[AccountConfig, ...]


def find_config(option: Path | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """The file to read: the option's, else that of ``$ARCHIVER_CONFIG``, else ``config.toml`` here or system-wide.

    A file that was named is taken even if it is not there, so that a slip never picks another one.

    Raises: ConfigError when none was named and none is there; it says where was looked.
    """
    named = option or (Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)
    if named:
        return cwd / named
    places = (cwd / "config.toml", SYSTEM_FILE)
    for place in places:
        if place.exists():
            return place
    raise ConfigError(
        f"there is no configuration: --config was not given, ${VARIABLE} is not set, "
        f"and {' and '.join(map(str, places))} do not exist",
        fix="copy config.example.toml to config.toml and edit it, or name a file with --config PATH",
    )


def load(path: Path | None, environ: Mapping[str, str], providers: Mapping[str, Registration] = PROVIDERS) -> Config:
    """Find and read the configuration; ``path`` is the ``--config`` option.

    Raises: ConfigError that tells everything that is wrong, each with its line, key and fix.
    """
    cwd = Path.cwd()
    file = find_config(path, environ, cwd)
    document = Document(file.name if file.parent == cwd else str(file), _text(file))
    raw = _parse(document)
    reader = Reader(Sources(file.parent, environ))
    config = _read(raw, reader, providers)
    if reader.problems:
        raise report(reader.problems, document)
    return config


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        fix = "name a readable file with --config PATH"
        raise ConfigError(f"cannot read the configuration {file}: {error.strerror}", fix=fix) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text (byte {error.start})", fix="save it as UTF-8") from None


def _parse(document: Document) -> dict[str, Any]:
    try:
        return tomllib.loads(document.text)
    except tomllib.TOMLDecodeError as error:
        match = _POSITION.fullmatch(str(error))
        where = f"{document.name}:{match['line']}:{match['column']}" if match else document.name
        what = match["message"] if match else str(error)
        fix = 'strings stand in quotes, like name = "value"'
        raise ConfigError(f"{where}: this is not TOML: {what[:1].lower()}{what[1:]}", fix=fix) from None


def _read(raw: Mapping[str, Any], reader: Reader, providers: Mapping[str, Registration]) -> Config:
    tables = {name: kind for name, kind in typing.get_type_hints(Config).items() if dataclasses.is_dataclass(kind)}
    known = {*tables, "accounts"}
    reader.problems.extend(unknown_key((key,), known) for key in raw if key not in known)
    values = {name: reader.value(kind, raw.get(name, {}), (name,)) for name, kind in tables.items()}
    accounts = AccountReader(reader, providers, values["schedule"] or ScheduleConfig())
    return Config(**values, accounts=_accounts(raw.get("accounts", {}), accounts))


def _accounts(raw: object, accounts: AccountReader) -> tuple[AccountConfig, ...]:
    if not isinstance(raw, Mapping):
        accounts.reader.problems.append(Problem(("accounts",), f"must be a table, not {kind_of(raw)}"))
        return ()
    if not raw:
        fix = 'add a table [accounts.NAME] with provider = "…", as in config.example.toml'
        accounts.reader.problems.append(Problem(("accounts",), "there is no account", fix))
    read = (accounts.read(name, table) for name, table in raw.items())
    return tuple(account for account in read if account)
