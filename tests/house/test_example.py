"""``config.example.toml`` is complete and true."""

import dataclasses
import re
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from archiver.app.config.load import Config, load
from archiver.app.config.schema import AccountTable
from archiver.providers.registry import PROVIDERS

EXAMPLE: Final = Path(__file__).parents[2] / "config.example.toml"
ACCOUNT: Final = "acme-india"
OTHERS: Final = rf"accounts\.(?!{ACCOUNT}\.)"
"""Accounts of further providers: they show what is their provider's own."""

MINIMAL: Final = (
    '[accounts.acme-india]\nprovider = "vobiz"\nauth_id = "MA"\nauth_token = { env = "VOBIZ_AUTH_TOKEN" }\n'
)


class Environ(dict[str, str]):
    """An environment where every variable is set."""

    def __contains__(self, name: object) -> bool:
        return name != "ARCHIVER_CONFIG"

    def __missing__(self, name: str) -> str:
        return "secret"


def _everything() -> str:
    """The example with every option switched on: ``#option = …`` and ``#[table]``, but not ``# words``."""
    return re.sub(r"^#(?=[\w\[])", "", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE)


@pytest.fixture
def full(tmp_path: Path) -> Config:
    """The example with every option switched on."""
    path = tmp_path / "config.toml"
    path.write_text(_everything(), "utf-8")
    return load(path, Environ())


@pytest.fixture
def bare(tmp_path: Path) -> Config:
    """A configuration that leaves everything to the defaults, in the same folder."""
    path = tmp_path / "config.toml"
    path.write_text(MINIMAL, "utf-8")
    return load(path, Environ())


def _options(table: Any, path: str) -> Iterator[str]:
    """The names of a table's options and of those below it."""
    hints = typing.get_type_hints(table)
    for one in dataclasses.fields(table):
        inner = [
            kind for kind in (hints[one.name], *typing.get_args(hints[one.name])) if dataclasses.is_dataclass(kind)
        ]
        if inner and inner[0].__module__ == AccountTable.__module__:
            yield from _options(inner[0], f"{path}{one.name}.")
        else:
            yield f"{path}{one.name}"


def _keys(table: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, value in table.items():
        is_table = isinstance(value, dict) and f"{path}{name}" != "storage.s3.tags" and "env" not in value
        yield from _keys(value, f"{path}{name}.") if is_table else (f"{path}{name}",)


def _facts(thing: Any, path: str = "") -> Iterator[tuple[str, object]]:
    """Everything that a configuration holds, by name."""
    for one in dataclasses.fields(thing):
        value = getattr(thing, one.name)
        if one.name == "accounts":
            yield from _facts(value[0], "account.")
        elif dataclasses.is_dataclass(value) and "config" in type(value).__name__.lower() + one.name:
            yield from _facts(value, f"{path}{one.name}.")
        elif one.name == "account":
            yield from _facts(value, path)
        else:
            yield f"{path}{one.name}", value


def test_loads_as_shipped() -> None:
    """The file as it is works once the variables it names are set."""
    variables = set(re.findall(r'^[^#]*\benv = "(\w+)"', EXAMPLE.read_text("utf-8"), flags=re.MULTILINE))
    assert load(EXAMPLE, dict.fromkeys(variables, "secret")).accounts[0].account.name == ACCOUNT


def test_names_every_option() -> None:
    """Every option there is stands in the example, and nothing else does."""
    account = f"accounts.{ACCOUNT}."
    vobiz = [f"{account}{one.name}" for one in dataclasses.fields(PROVIDERS["vobiz"].options)]
    expected = {*_options(AccountTable, account), *vobiz, f"{account}provider"}
    for name, table in typing.get_type_hints(Config).items():
        if dataclasses.is_dataclass(table):
            expected |= set(_options(table, f"{name}."))
    named = {name for name in _keys(tomllib.loads(_everything())) if not re.match(OTHERS, name)}
    expected = {name for name in expected if ".exclude." not in name}  # the same keys as include's
    assert {name for name in named if ".exclude." not in name} == expected


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_shows_each_provider(provider: str) -> None:
    """Each provider has a table that names all its own options, if only as an alternative."""
    (section,) = (part for part in EXAMPLE.read_text("utf-8").split("[accounts.") if f'provider = "{provider}"' in part)
    for one in dataclasses.fields(PROVIDERS[provider].options):
        assert re.search(rf"^#? *{one.name} = ", section, flags=re.MULTILINE), f"{provider} {one.name}"


def test_shows_the_defaults(full: Config, bare: Config) -> None:
    """An option that has a default is shown with it; only those without one have an example instead."""
    shown, defaults = dict(_facts(full)), dict(_facts(bare))
    without = {name for name, value in defaults.items() if value is None or value == {}}
    differing = {name for name in shown.keys() - without if shown[name] != defaults[name]}
    assert differing == {"account.options"}
