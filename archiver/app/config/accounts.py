"""The accounts of a configuration: common keys and the provider's own, with the provider's defaults filled in."""

import dataclasses
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from archiver.app.config.expression import Expression
from archiver.app.config.problems import KeyPath, Problem, kind_of, problem_of, unknown_key
from archiver.app.config.reader import Reader
from archiver.app.config.schema import AccountTable, DeleteRemoteConfig, ScheduleConfig, SelectionConfig
from archiver.model.account import Account, AccountName, Defaults, Selection
from archiver.providers.registry import Options, Registration

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
_COMMON: Final = frozenset(one.name for one in dataclasses.fields(AccountTable)) | {"provider"}
_ACCOUNT: Final = frozenset(one.name for one in dataclasses.fields(Account))
_BURST_OF_AN_OWN_RATE: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSchedule:
    """When an account's turns are: by its own expressions, else by those of ``[schedule]``."""

    walk: Expression
    full_walk: Expression
    verify: Expression
    delete: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountConfig:
    """An account as configured. ``options`` is an instance of its provider's own options.

    ``retention`` is how long its recordings must be kept; None: for ever.
    """

    account: Account
    options: Options
    schedule: AccountSchedule
    delete_remote: DeleteRemoteConfig
    retention: timedelta | None


@dataclass(frozen=True, slots=True)
class AccountReader:
    """Reads account tables. What is wrong goes to ``reader``, and the account is None then."""

    reader: Reader
    providers: Mapping[str, Registration]
    schedule: ScheduleConfig

    def read(self, name: str, raw: object) -> AccountConfig | None:
        """The account called ``name``, given by the table ``raw``."""
        path: KeyPath = ("accounts", name)
        if not _NAME.fullmatch(name):
            fix = "names are made of a-z, 0-9, - and _, and begin with a letter or digit"
            self._refuse(path, "is no name for an account", fix)
        if not isinstance(raw, Mapping):
            self._refuse(path, f"must be a table, not {kind_of(raw)}", f"write [accounts.{name}] above its keys")
            return None
        registration = self._registration(raw.get("provider"), path)
        table = self._common(registration, raw, path)
        options = self._options(registration, raw, path) if registration else None
        if registration is None or table is None or options is None:
            return None
        return AccountConfig(
            account=_account(table, registration.defaults, name=AccountName(name), provider=raw["provider"]),
            options=options,
            schedule=_schedule(table, self.schedule),
            delete_remote=table.delete_remote,
            retention=table.retention,
        )

    def _registration(self, provider: object, path: KeyPath) -> Registration | None:
        if isinstance(provider, str) and provider in self.providers:
            return self.providers[provider]
        near = difflib.get_close_matches(str(provider), self.providers, n=1)
        fix = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(self.providers))}"
        message = "is missing" if provider is None else "is no provider that the archiver knows"
        self._refuse((*path, "provider"), message, fix)
        return None

    def _common(
        self, registration: Registration | None, raw: Mapping[str, object], path: KeyPath
    ) -> AccountTable | None:
        """The keys that all accounts have; None when something was wrong with them."""
        table: AccountTable | None
        table = self.reader.value(AccountTable, {key: raw[key] for key in raw if key in _COMMON - {"provider"}}, path)
        if registration and not registration.defaults.base_url and "base_url" not in raw:
            fix = 'write it like base_url = "https://example.com:8443/v2"'
            self._refuse((*path, "base_url"), "is missing: every installation of this provider has its own", fix)
            return None
        return table

    def _options(self, registration: Registration, raw: Mapping[str, object], path: KeyPath) -> Options | None:
        """The provider's own options; None when something was wrong with them."""
        known = {one.name for one in dataclasses.fields(registration.options)}
        unknown = [unknown_key((*path, key), known | _COMMON) for key in raw if key not in known | _COMMON]
        self.reader.problems.extend(unknown)
        problem_count = len(self.reader.problems)
        values = self.reader.fields(registration.options, raw, path)
        if len(self.reader.problems) > problem_count:
            return None
        try:
            options: Options = registration.options(**values)
        except ValueError as error:
            self.reader.problems.append(problem_of(error, path))
            return None
        return options

    def _refuse(self, path: KeyPath, message: str, fix: str | None = None) -> None:
        self.reader.problems.append(Problem(path, message, fix))


def _account(table: AccountTable, defaults: Defaults, **identity: Any) -> Account:
    values = identity | _given(defaults)
    values["provider_hosts"] = values.pop("credential_hosts")
    if table.rate_limit:
        values["burst"] = _BURST_OF_AN_OWN_RATE
    values |= {key: value for key, value in _given(table).items() if key in _ACCOUNT}
    values |= {key: _selection(values[key]) for key in ("include", "exclude") if key in values}
    return Account(**values)


def _selection(table: SelectionConfig) -> Selection:
    return Selection(**_given(table))


def _schedule(table: AccountTable, common: ScheduleConfig) -> AccountSchedule:
    return AccountSchedule(
        walk=table.walk or common.walk,
        full_walk=table.full_walk or common.full_walk,
        verify=table.verify or common.verify,
        delete=table.delete or common.delete,
    )


def _given(table: Any) -> dict[str, Any]:
    """The fields of a dataclass that hold something, by name."""
    values = {one.name: getattr(table, one.name) for one in dataclasses.fields(table)}
    return {key: value for key, value in values.items() if value is not None}
