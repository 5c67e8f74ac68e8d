"""What the sandbox asks of each of its providers."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from aiohttp import web

from archiver.sandbox.ledger import Ledger
from archiver.sandbox.listener import Listener
from archiver.sandbox.population import Plan, Population


class Provider(Protocol):
    """One provider with one account. It is built from a plan, the largest page, and a listener for each of ``HOSTS``.

    ``applications`` has the same names as ``HOSTS``. ``account_settings`` is the account's table in a configuration.
    """

    NAME: ClassVar[str]
    HOSTS: ClassVar[tuple[str, ...]]
    base_url: str
    population: Population
    ledger: Ledger

    def __init__(self, plan: Plan, page_cap: int, listeners: Mapping[str, Listener]) -> None: ...

    def applications(self) -> dict[str, web.Application]:
        """What each host answers."""
        ...

    def account_settings(self) -> dict[str, Any]:
        """Strings, numbers, booleans and lists of strings."""
        ...
