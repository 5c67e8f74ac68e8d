"""A provider that exists only here, and a sound account of it."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from archiver.model.account import Defaults
from archiver.model.secret import Secret
from archiver.model.units import Rate
from archiver.providers.registry import Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class AlphaOptions:
    """Options of every form that a provider may declare."""

    user: str
    token: Secret
    listings: tuple[str, ...] = ("company",)
    page: int | None = None
    key_file: Path | None = None
    is_legacy: bool = False

    @property
    def credential(self) -> str:
        return self.user

    def __post_init__(self) -> None:
        if self.is_legacy and self.page:
            raise ValueError("page is unknown to a legacy installation")


ALPHA: Final = Registration(
    options=AlphaOptions,
    defaults=Defaults(
        base_url=None,
        rate_limit=Rate(5, timedelta(seconds=1)),
        burst=20,
        concurrency=4,
        page_size=50,
        overlap=timedelta(hours=1),
        lag=timedelta(hours=2),
        remote_retention=None,
        credential_hosts=("*.alpha.example",),
    ),
    build=lambda *_: pytest.fail("reading a configuration builds nothing"),
)
ACCOUNT: Final = """
[accounts.acme]
provider = "alpha"
base_url = "https://alpha.example/v1"
user = "u"
token = { env = "TOKEN" }
"""
