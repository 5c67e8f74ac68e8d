"""What names a credential towards the others that share its rate."""

from typing import Any, Final

import pytest

from archiver.model.secret import Secret
from archiver.providers.kazoo import KazooOptions
from archiver.providers.registry import PROVIDERS, Options
from archiver.providers.vobiz import VobizOptions
from archiver.providers.vonage_vbc import VonageVbcOptions

SECRET: Final = "0123456789abcdef" * 4
LOGIN: Final[dict[str, Any]] = {"client_id": "c1", "client_secret": Secret(SECRET), "password": Secret(SECRET)}


def options_of(secret: str) -> list[Options]:
    """The options of accounts that differ in nothing but their secrets' values."""
    kept = Secret(secret)
    login: dict[str, Any] = LOGIN | {"client_secret": kept, "password": kept}
    user: dict[str, Any] = {"account_id": "a1", "username": "archive", "password": kept}
    return [
        VobizOptions(auth_id="MA_1", auth_token=kept),
        VonageVbcOptions(username="archive", **login),
        KazooOptions(realm="acme.example.com", **user),
        KazooOptions(account_name="acme", **user),
        VonageVbcOptions(access_token=kept),
        KazooOptions(account_id="a1", api_key=kept),
        KazooOptions(account_id="a1", auth_token=Secret(secret[::-1])),
    ]


def test_credentials_are_told_apart() -> None:
    """P1: each way to log in has a name of its own; a new password is none, a new key is."""
    names, others = ([(type(one), one.credential) for one in options_of(secret)] for secret in (SECRET, SECRET[1:]))
    assert len(set(names)) == len(names)
    assert [name == other for name, other in zip(names, others, strict=True)] == [True] * 4 + [False] * 3


def test_a_name_holds_no_secret() -> None:
    """S5: the name of a credential, which the catalog keeps, gives nothing of its secret away."""
    for options in options_of(SECRET):
        assert not any(SECRET[at : at + 8] in options.credential for at in range(16))
        assert len(options.credential) < 40


def test_listings_share_the_rate() -> None:
    """P1: two accounts with one credential share its rate, whatever they archive with it."""
    one, other = (KazooOptions(account_id=name, api_key=Secret(SECRET)) for name in ("a1", "a2"))
    assert one.credential == other.credential
    first, second = (VonageVbcOptions(username=name, **LOGIN) for name in ("archive", "archive@vbc.prod"))
    assert first.credential == second.credential


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_every_provider_names_its_credential(provider: str) -> None:
    """Whatever has a rate to share can say whose it is."""
    assert isinstance(vars(PROVIDERS[provider].options)["credential"], property)
