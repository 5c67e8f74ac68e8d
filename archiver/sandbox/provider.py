"""What the sandbox asks of each of its providers."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from aiohttp import web

from archiver.sandbox.hosting import House
from archiver.sandbox.ledger import Ledger
from archiver.sandbox.levers import Lever
from archiver.sandbox.listener import Listener
from archiver.sandbox.options import SandboxOptions
from archiver.sandbox.population import Stock


class Provider(Protocol):
    """One provider with one account. It is built from the options, and listeners for each of ``HOSTS`` and a stranger.

    ``applications`` has the same names as ``HOSTS``. ``account_settings`` is the account's table in a configuration.
    ``house`` holds what its hosts share, ``levers`` are this provider's own commands, by name.
    """

    NAME: ClassVar[str]
    HOSTS: ClassVar[tuple[str, ...]]
    base_url: str
    ledger: Ledger
    house: House
    levers: Mapping[str, Lever]

    def __init__(self, options: SandboxOptions, listeners: Mapping[str, Listener]) -> None: ...

    @property
    def population(self) -> Stock:
        """Its recordings."""
        ...

    def applications(self) -> dict[str, web.Application]:
        """What each host answers."""
        ...

    def account_settings(self) -> dict[str, Any]:
        """Strings, numbers, booleans and lists of strings."""
        ...
