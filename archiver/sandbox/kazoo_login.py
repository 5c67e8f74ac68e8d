"""Kazoo's two ways to a token: an API key, or a digest of a user's name and password.

Source: 2600hz/kazoo, schemas api_auth and user_auth, cb_api_auth and cb_user_auth, read 2026-11.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from archiver.sandbox.kazoo_envelope import Reply, invalid, malformed_id, no_credentials

USER: Final[Mapping[str, str]] = {"username": "Archive", "password": "made up, too"}
ACCOUNT: Final[Mapping[str, str]] = {
    "account_name": "Sandbox Ltd",
    "account_realm": "sandbox.example.com",
    "phone_number": "+14155550100",
}
"""Any one of these names the account in a user's login."""

_API_KEY_LENGTH = 64
_DIGESTS: Mapping[str, Callable[[bytes], Any]] = {"md5": hashlib.md5, "sha": hashlib.sha1}


def refuse_api_key(data: Mapping[str, Any], api_key: str) -> Reply | None:
    """None when the key is right."""
    given = data.get("api_key")
    if not isinstance(given, str):
        return invalid("api_key", "required", "Field is required but missing")
    if len(given) != _API_KEY_LENGTH:
        return invalid("api_key", "length", f"API key must be {_API_KEY_LENGTH} characters", given)
    return None if given == api_key else malformed_id(given)


def refuse_user(data: Mapping[str, Any]) -> Reply | None:
    """None when the digest and one name of the account are right."""
    credentials, method = data.get("credentials"), data.get("method", "md5")
    if not isinstance(credentials, str) or not credentials:
        return invalid("credentials", "required", "Field is required but missing")
    if method not in _DIGESTS:
        return invalid("method", "enum", "Value not found in enumerated list of values", method)
    digest = _DIGESTS[method](f"{USER['username'].lower()}:{USER['password']}".encode()).hexdigest()
    names_account = any(_plain(data.get(field)) == _plain(name) for field, name in ACCOUNT.items())
    return None if credentials == digest and names_account else no_credentials()


def _plain(name: object) -> str:
    """Names of accounts are compared by their letters and digits, in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower()) if isinstance(name, str) else ""
