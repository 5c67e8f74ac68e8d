"""An account: one named set of credentials at one provider, with what the operator set for it."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NewType

from archiver.model.recording import Listed
from archiver.model.secret import Secret
from archiver.model.units import Rate

AccountName = NewType("AccountName", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A filter on facts of a recording. Empty fields select nothing by themselves; given ones must all match.

    ``number`` matches either party. Numbers are compared by their digits, so ``+91 80…`` and ``9180…`` agree.
    Durations are inclusive bounds; a recording of unknown duration matches neither of them.
    """

    direction: AbstractSet[str] = frozenset()
    from_number: AbstractSet[str] = frozenset()
    to_number: AbstractSet[str] = frozenset()
    number: AbstractSet[str] = frozenset()
    type: AbstractSet[str] = frozenset()
    listing: AbstractSet[str] = frozenset()
    format: AbstractSet[str] = frozenset()
    min_duration: timedelta | None = None
    max_duration: timedelta | None = None

    def matches(self, listed: Listed) -> bool:
        """Whether every given field agrees with the recording."""
        either = {_digits(listed.from_number), _digits(listed.to_number)}
        checks = (
            (self.direction, {listed.direction}),
            ({_digits(number) for number in self.from_number}, {_digits(listed.from_number)}),
            ({_digits(number) for number in self.to_number}, {_digits(listed.to_number)}),
            ({_digits(number) for number in self.number}, either),
            (self.type, {listed.type}),
            (self.listing, {listed.listing}),
            (self.format, {listed.claimed_format}),
        )
        return all(not wanted or wanted & found for wanted, found in checks) and self._lasts(listed.duration)

    def _lasts(self, duration: timedelta | None) -> bool:
        if self.min_duration is None and self.max_duration is None:
            return True
        if duration is None:
            return False
        return (self.min_duration or timedelta(0)) <= duration <= (self.max_duration or timedelta.max)


def _digits(number: str | None) -> str | None:
    """A number by its digits; a name without any ("anonymous") stands for itself."""
    if number is None:
        return None
    return "".join(character for character in number if character.isdigit()) or number


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a provider's accounts have where the operator says nothing.

    ``base_url`` is None where every installation has its own. ``credential_hosts`` are hosts of the provider that
    get the credentials beside the host of ``base_url``.
    """

    base_url: str | None
    rate_limit: Rate
    burst: int
    concurrency: int
    page_size: int
    overlap: timedelta
    lag: timedelta
    remote_retention: timedelta | None
    credential_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What every account has, whatever its provider; defaults per provider are already filled in.

    ``rate_limit`` is the provider's allowance; we stay 1 % below. ``burst`` is how many requests may go out at
    once. ``concurrency`` bounds the account's downloads over all processes. Hosts are ``host``, ``host:port`` or
    ``*.domain``: ``credential_hosts`` get the credentials, by default (None) the host and port of ``base_url`` and
    ``provider_hosts``; ``media_hosts`` are the further hosts that may be contacted, by default any public one.
    """

    name: AccountName
    provider: str
    base_url: str
    rate_limit: Rate
    burst: int
    concurrency: int
    page_size: int
    overlap: timedelta
    lag: timedelta
    enabled: bool = True
    since: datetime | None = None
    include: Selection | None = None
    exclude: Selection | None = None
    remote_retention: timedelta | None = None
    allow_http: bool = False
    allow_private_hosts: bool = False
    credential_hosts: tuple[str, ...] | None = None
    provider_hosts: tuple[str, ...] = ()
    media_hosts: tuple[str, ...] | None = None
    proxy: Secret | None = None
    ca_file: Path | None = None

    def selects(self, listed: Listed) -> bool:
        """Whether the operator's filter lets this recording through: included, and not excluded."""
        if self.include and not self.include.matches(listed):
            return False
        return not (self.exclude and self.exclude.matches(listed))
