"""Whether the archive is fresh: nothing unarchived is too old, and every listing was walked to its end lately."""

from collections.abc import Sequence
from datetime import datetime

from archiver.app.config.schema import OpsConfig
from archiver.ports.catalog import AccountStatus


def is_ready(accounts: Sequence[AccountStatus], bounds: OpsConfig, now: datetime) -> bool:
    """Whether every one of these accounts is within the operator's bounds. No account at all is not ready."""
    return bool(accounts) and all(_is_fresh(account, bounds, now) for account in accounts)


def _is_fresh(account: AccountStatus, bounds: OpsConfig, now: datetime) -> bool:
    oldest = account.oldest_unarchived_at
    if oldest is not None and now - oldest > bounds.max_unarchived_age:
        return False
    return bool(account.walks) and all(
        walk.last_complete_at is not None and now - walk.last_complete_at <= bounds.max_walk_age
        for walk in account.walks.values()
    )
