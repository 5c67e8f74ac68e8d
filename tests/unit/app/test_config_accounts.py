"""Account tables: common keys, the provider's own, and its defaults."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from archiver.app.config.accounts import AccountConfig
from archiver.app.config.expression import Every
from archiver.model.account import Selection
from archiver.model.secret import Secret
from archiver.model.units import Rate
from tests.unit.app.alpha import ACCOUNT, AlphaOptions
from tests.unit.app.conftest import Load


def _account(load_text: Load, lines: str, head: str = "") -> AccountConfig:
    config = load_text(head, ACCOUNT + lines)
    return config.accounts[0]


def test_defaults_of_the_provider(load_text: Load) -> None:
    """What the operator does not say is the provider's default."""
    account = _account(load_text, "").account
    assert (account.name, account.provider) == ("acme", "alpha")
    assert (account.rate_limit, account.burst) == (Rate(5, timedelta(seconds=1)), 20)
    assert (account.page_size, account.lag) == (50, timedelta(hours=2))
    assert account.provider_hosts == ("*.alpha.example",)
    assert (account.credential_hosts, account.media_hosts) == (None, None)


@pytest.mark.parametrize(
    ("lines", "name", "value"),
    [
        ('rate_limit = "10/min"', "burst", 1),
        ('rate_limit = "10/min"\nburst = 3', "burst", 3),
        ("burst = 7", "burst", 7),
        ('lag = "0"', "lag", timedelta(0)),
        ("since = 2024-02-03", "since", datetime(2024, 2, 3, tzinfo=UTC)),
        ("since = 2024-02-03T04:05:06", "since", datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("since = 2024-02-03T04:00:00+05:30", "since", datetime(2024, 2, 2, 22, 30, tzinfo=UTC)),
        ('since = "2024-02-03"', "since", datetime(2024, 2, 3, tzinfo=UTC)),
        ("media_hosts = []", "media_hosts", ()),
        ('credential_hosts = ["*.Example.com", "h:8443", "[::1]:1"]', "credential_hosts",
         ("*.example.com", "h:8443", "[::1]:1")),
        ('proxy = { env = "PROXY" }', "proxy", Secret("http://u:p@proxy:3128")),
        ('remote_retention = "90d"', "remote_retention", timedelta(days=90)),
        ('include = { number = ["1", "2"], min_duration = "3s" }', "include",
         Selection(number={"1", "2"}, min_duration=timedelta(seconds=3))),
        ('exclude = { direction = ["internal"] }', "exclude", Selection(direction={"internal"})),
    ],
)  # fmt: skip
def test_common_keys(load_text: Load, lines: str, name: str, value: object) -> None:
    """Keys that all accounts have; an explicit rate ends the provider's burst, and times are UTC."""
    config = load_text("", ACCOUNT + lines, PROXY="http://u:p@proxy:3128")
    found: Any = getattr(config.accounts[0].account, name)
    assert found == value


def test_paths_are_beside_the_file(load_text: Load, tmp_path: Path) -> None:
    """``ca_file`` and the provider's own paths are relative to the file."""
    read = _account(load_text, 'ca_file = "ca.pem"\nkey_file = "/k.pem"')
    assert read.account.ca_file == tmp_path / "ca.pem"
    assert isinstance(read.options, AlphaOptions)
    assert read.options.key_file == Path("/k.pem")


def test_options_of_the_provider(load_text: Load) -> None:
    """The provider's own keys become an instance of its own options, secrets resolved."""
    read = _account(load_text, 'listings = ["users"]\npage = 3')
    expected = AlphaOptions(user="u", token=Secret("canary-of-the-environment"), listings=("users",), page=3)
    assert read.options == expected


def test_turns_and_deletes(load_text: Load) -> None:
    """An account's own turns beat those of ``[schedule]``; deletes are off unless it says otherwise."""
    head = '[schedule]\nwalk = "every 5m"\nverify = "every 2h"\n'
    read = _account(load_text, 'walk = "every 1m"\nretention = "7y"', head)
    assert read.schedule.walk == Every(timedelta(minutes=1))
    assert read.schedule.verify == Every(timedelta(hours=2))
    assert read.delete_remote.enabled is False
    assert read.retention == timedelta(days=7 * 365)


def test_http_by_consent(load_text: Load) -> None:
    """http is for accounts that allow it (S1); the slash at the end goes."""
    lines = ACCOUNT.replace("https://alpha.example/v1", "http://127.0.0.1:8/v1/") + "allow_http = true"
    assert load_text("", lines).accounts[0].account.base_url == "http://127.0.0.1:8/v1"
