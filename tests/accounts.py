"""Accounts and HTTP clients for tests: generous in everything that a test is not about."""

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from archiver.model.account import Account, AccountName
from archiver.model.secret import Secret
from archiver.model.units import Rate
from archiver.net.http import Bounds, HttpClient
from archiver.net.pacing import AccountPacer
from archiver.ports.provider import Provider
from archiver.providers.registry import PROVIDERS

FAST = Rate(10_000, timedelta(seconds=1))
SECRETS = frozenset({"auth_token", "api_key", "password", "client_secret", "access_token"})


def make_account(**changes: Any) -> Account:
    """An account that may contact loopback by plain http."""
    usual: dict[str, Any] = {
        "name": AccountName("acme"),
        "provider": "vobiz",
        "base_url": "https://api.vobiz.ai/api/v1",
        "rate_limit": FAST,
        "burst": 1000,
        "concurrency": 4,
        "page_size": 100,
        "overlap": timedelta(days=1),
        "lag": timedelta(0),
        "remote_retention": timedelta(days=30),
        "allow_http": True,
        "allow_private_hosts": True,
    }
    return Account(**usual | changes)


def make_client(account: Account, **bounds: Any) -> HttpClient:
    """A client that hardly waits for its turns."""
    return HttpClient(account, AccountPacer(account.rate_limit, account.burst), Bounds(**bounds))


def account_of(settings: Mapping[str, Any]) -> Account:
    """The account that a sandbox's settings describe."""
    names = {field.name for field in dataclasses.fields(Account)}
    known = {name: value for name, value in settings.items() if name in names and name != "rate_limit"}
    return make_account(**{name: tuple(value) if isinstance(value, list) else value for name, value in known.items()})


def provider_of(settings: Mapping[str, Any], http: HttpClient) -> Provider:
    """The adapter that a sandbox's settings describe."""
    registration = PROVIDERS[settings["provider"]]
    names = {field.name for field in dataclasses.fields(registration.options)}
    options = {
        name: Secret(value) if name in SECRETS else tuple(value) if isinstance(value, list) else value
        for name, value in settings.items()
        if name in names
    }
    return registration.build(http.account, registration.options(**options), http)
