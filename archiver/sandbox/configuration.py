"""A complete configuration for archiving the sandbox, written as TOML by hand since nothing of ours is imported."""

import json
from collections.abc import Mapping
from typing import Any

_HEAD = """\
# Archives the sandbox that wrote this file, for as long as it runs. Relative paths are relative to this file.

[catalog]
dsn = "embedded:./var/catalog"        # a private PostgreSQL that the archiver starts and stops

[storage]
url = "file:./var/recordings"         # audio, each with a sidecar of facts beside it
"""

_MADE_UP = 'made up; a real one belongs in { env = "NAME" }'
_NOTES = {
    "auth_token": _MADE_UP,
    "client_secret": _MADE_UP,
    "password": _MADE_UP,
    "api_key": _MADE_UP,
    "allow_http": "the sandbox speaks plain http, on loopback only",
    "allow_private_hosts": "its media hosts are loopback addresses",
    "credential_hosts": "API and media; the store that media redirects to must never see them",
    "rate_limit": "far above a real provider's, so that this takes seconds",
}


def render_configuration(accounts: Mapping[str, Mapping[str, Any]]) -> str:
    """The configuration as text; each account is a name with strings, numbers, booleans and lists of strings."""
    return _HEAD + "".join(_account_table(name, settings) for name, settings in accounts.items())


def _account_table(name: str, settings: Mapping[str, Any]) -> str:
    lines = "".join(f"{_line(key, value)}\n" for key, value in settings.items())
    return f"\n[accounts.{name}]\n{lines}"


def _line(key: str, value: object) -> str:
    # JSON's strings, numbers, booleans and flat lists are TOML's too, short of characters that no setting holds
    setting = f"{key} = {json.dumps(value, ensure_ascii=False)}"
    return f"{setting}  # {_NOTES[key]}" if key in _NOTES else setting
