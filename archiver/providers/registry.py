"""Which providers there are: a name, and what it takes to build one. A new provider is one line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol

from archiver.model.account import Account, Defaults
from archiver.net.http import HttpClient
from archiver.ports.provider import Provider
from archiver.providers import kazoo, vobiz, vonage_vbc


class Options(Protocol):
    """What the options of every provider have."""

    @property
    def credential(self) -> str:
        """What names the credential, without a secret: all who use it share one rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """``options`` is the frozen dataclass of what only this provider's accounts have; ``build`` takes an instance."""

    options: type
    defaults: Defaults
    build: Callable[[Account, Any, HttpClient], Provider]


PROVIDERS: Final[Mapping[str, Registration]] = MappingProxyType(
    {
        "vobiz": Registration(options=vobiz.VobizOptions, defaults=vobiz.DEFAULTS, build=vobiz.VobizProvider),
        "vonage_vbc": Registration(
            options=vonage_vbc.VonageVbcOptions, defaults=vonage_vbc.DEFAULTS, build=vonage_vbc.VonageVbcProvider
        ),
        "kazoo": Registration(options=kazoo.KazooOptions, defaults=kazoo.DEFAULTS, build=kazoo.KazooProvider),
    }
)
