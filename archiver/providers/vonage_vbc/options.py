"""What an account at VBC is configured with."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from archiver.model.account import Defaults
from archiver.model.secret import Secret
from archiver.model.units import Rate
from archiver.providers.auth import is_token

SELF: Final = "self"
COMPANY: Final = "company"
USER: Final = "user:"
REAL_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class VonageVbcOptions:
    """Which recordings, and who asks for them: a client with a user's name and password, or an access token alone.

    ``account_id`` and each of ``user_ids`` may be ``self``. ``listings`` holds ``company``, ``users`` or both.
    ``token_url`` is by default ``/token`` at the host of ``base_url``. ``exact_sizes``: a recording of another size
    than ``file_size_in_bytes`` is suspect.

    Raises: ValueError for what does not go together.
    """

    account_id: str = SELF
    listings: tuple[str, ...] = (COMPANY,)
    user_ids: tuple[str, ...] = (SELF,)
    client_id: str | None = None
    client_secret: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    access_token: Secret | None = None
    token_url: str | None = None
    exact_sizes: bool = True

    def __post_init__(self) -> None:
        if not self.listings or not set(self.listings) <= {COMPANY, "users"}:
            raise ValueError('listings takes "company", "users" or both')
        if "users" in self.listings and not self.user_ids:
            raise ValueError('listings names "users", but user_ids is empty')
        if not all(REAL_ID.fullmatch(one) for one in (self.account_id, *self.user_ids)):
            raise ValueError('account_id and user_ids are ids such as "745249", or "self"')
        login = {name: getattr(self, name) for name in ("client_id", "client_secret", "username", "password")}
        missing = [name for name, value in login.items() if value in (None, "", Secret(""))]
        if self.access_token is None and missing:
            raise ValueError(f"{missing[0]} is missing: give {', '.join(login)}, or access_token alone")
        if self.access_token is not None and len(missing) < len(login):
            raise ValueError("access_token stands alone: leave client_id, client_secret, username and password out")
        if self.access_token is not None and not is_token(self.access_token.reveal()):
            raise ValueError("access_token is empty, or has characters that no token has")

    @property
    def credential(self) -> str:
        """What names the credential, without a secret: all who use it share one rate."""
        if self.access_token is not None:
            return self.access_token.fingerprint
        return f"{self.client_id} {(self.username or '').removesuffix('@vbc.prod')}"


DEFAULTS: Final = Defaults(
    base_url="https://api.vonage.com/t/vbc.prod/call_recording",
    rate_limit=Rate(10, timedelta(minutes=1)),
    burst=1,
    concurrency=2,
    page_size=50,
    overlap=timedelta(days=1),
    lag=timedelta(hours=2),
    remote_retention=None,
)
