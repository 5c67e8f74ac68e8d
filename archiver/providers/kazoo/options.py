"""What a Kazoo account has beside what every account has, and what it has where the operator says nothing."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from archiver.model.account import Defaults
from archiver.model.secret import Secret
from archiver.model.units import Rate

DEFAULTS: Final = Defaults(
    base_url=None,
    rate_limit=Rate(5, timedelta(seconds=1)),
    burst=20,
    concurrency=2,
    page_size=100,
    overlap=timedelta(days=1),
    lag=timedelta(hours=1),
    remote_retention=None,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KazooOptions:
    """``account_id`` is the account to archive; its own credentials or those of an account above it open it.

    They are one of three: ``api_key``; ``username`` and ``password`` with one name of their account (``account_name``,
    ``realm`` or ``phone_number``) and ``method``, how Kazoo digests the password; or ``auth_token``, which cannot be
    renewed and ends, by default after an hour.

    Raises: ValueError for any other combination; it holds no secret.
    """

    account_id: str
    api_key: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    account_name: str | None = None
    realm: str | None = None
    phone_number: str | None = None
    method: Literal["md5", "sha"] = "md5"
    auth_token: Secret | None = None
    listings: tuple[Literal["account", "users"], ...] = ("account",)
    user_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.account_id and self.listings and all(self.user_ids)):
            raise ValueError("account_id, listings and each of user_ids must not be empty")
        if ("users" in self.listings) != bool(self.user_ids):
            raise ValueError('user_ids and "users" in listings go together: give both or neither')
        if sum(kind is not None for kind in (self.api_key, self.username, self.auth_token)) != 1:
            raise ValueError("needs one of api_key, username (with password) and auth_token, and no second one")
        names = [name for name in (self.account_name, self.realm, self.phone_number) if name]
        if self.username is None and (self.password is not None or names):
            raise ValueError("password, account_name, realm and phone_number are of use with username only")
        if self.username is not None and (self.password is None or len(names) != 1):
            raise ValueError("username needs password, and exactly one of account_name, realm and phone_number")

    @property
    def credential(self) -> str:
        """What names the credential, without a secret: all who use it share one rate."""
        secret = self.api_key or self.auth_token
        if secret is not None:
            return secret.fingerprint
        return f"{self.username} {self.account_name or self.realm or self.phone_number}"


def login_of(options: KazooOptions) -> tuple[str, Mapping[str, str]]:
    """Where to log in, below the base URL, and with what. Source: 2600Hz docs, api_auth and user_auth."""
    if options.api_key is not None:
        return "api_auth", {"api_key": options.api_key.reveal()}
    username = (options.username or "").lower()
    password = options.password.reveal() if options.password else ""
    digest = hashlib.sha1 if options.method == "sha" else hashlib.md5
    names = {"account_name": options.account_name, "account_realm": options.realm, "phone_number": options.phone_number}
    return "user_auth", {
        "credentials": digest(f"{username}:{password}".encode(), usedforsecurity=False).hexdigest(),
        "method": options.method,
        **{key: name for key, name in names.items() if name},
    }
