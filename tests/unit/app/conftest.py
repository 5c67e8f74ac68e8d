"""A configuration as text, loaded the way the program does it."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import pytest

from archiver.app.config.load import Config, load
from archiver.model.errors import ConfigError
from tests.unit.app.alpha import ACCOUNT, ALPHA

ENVIRON: Final = {"TOKEN": "canary-of-the-environment"}


class Load(Protocol):
    """Loads ``text`` as ``config.toml``, followed by ``account``, with further variables."""

    def __call__(self, text: str, account: str = ACCOUNT, **environ: str) -> Config: ...


Refusal: TypeAlias = Callable[[str], ConfigError]
"""Loads a text, after which a sound account follows unless it holds accounts, and returns the error."""


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """Loads a text as ``config.toml``, with a sound account after it unless told otherwise."""

    def load_it(text: str, account: str = ACCOUNT, **environ: str) -> Config:
        path = tmp_path / "config.toml"
        path.write_text(text + account, "utf-8")
        return load(path, ENVIRON | environ, {"alpha": ALPHA})

    return load_it


@pytest.fixture
def refusal(load_text: Load) -> Refusal:
    """Loads a text that holds its own accounts and returns the error."""

    def refuse(text: str) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            load_text(text, account="" if "accounts" in text else ACCOUNT)
        return caught.value

    return refuse
