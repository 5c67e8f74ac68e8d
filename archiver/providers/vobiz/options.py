"""What a Vobiz account has beside what every account has, and what it has where the operator says nothing."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from archiver.model.account import Defaults
from archiver.model.secret import Secret
from archiver.model.units import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class VobizOptions:
    """``auth_id`` is ``MA_…`` (a main account) or ``SA_…`` (a sub-account), and the account's real id."""

    auth_id: str
    auth_token: Secret

    @property
    def credential(self) -> str:
        """What names the credential, without a secret: all who use it share one rate."""
        return self.auth_id


DEFAULTS: Final = Defaults(
    base_url="https://api.vobiz.ai/api/v1",
    rate_limit=Rate(2, timedelta(seconds=1)),
    burst=2,
    concurrency=4,
    page_size=100,
    overlap=timedelta(days=1),
    lag=timedelta(0),
    remote_retention=timedelta(days=30),
    credential_hosts=("*.vobiz.ai",),
)
