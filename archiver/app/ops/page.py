"""The status page: one document, no script, nothing fetched from anywhere; good in light, in dark and on a phone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from itertools import groupby
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from archiver.app.daemon.vitals import AccountVitals, Vitals
from archiver.app.ops.glance import Figures, Glance
from archiver.app.ops.readiness import LOSING, Reason
from archiver.model.account import AccountName
from archiver.model.recording import ListingName, State
from archiver.model.units import format_size
from archiver.ports.catalog import AccountStatus
from archiver.ports.statistics import Hour

REFRESH_S: Final = 30
_SHOWN: Final = (State.VERIFIED, State.STORED, State.PENDING, State.DAMAGED, State.FAILED, State.GONE, State.EXCLUDED)
_CHART_HEIGHT: Final = 100
_LEAST_HEIGHT: Final = 1.5
_LABEL_EVERY: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the page is made of. ``glance`` is the latest there was, None before the first; with ``is_current`` it is
    how far everything is ``now``."""

    now: datetime
    glance: Glance | None
    is_current: bool
    figures: Figures | None
    reasons: Sequence[Reason]
    vitals: Vitals


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """An hour in a chart, in its units."""

    x: float
    y: float
    height: float
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars by the hour, the highest as high as the chart; ``most`` says how much that is."""

    name: str
    total: str
    most: str
    bars: Sequence[Bar]
    labels: Sequence[str]
    height: int = _CHART_HEIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """An account on the page."""

    name: AccountName
    provider: str
    status: AccountStatus | None
    vitals: AccountVitals | None
    reasons: Sequence[Reason]

    @property
    def is_configured(self) -> bool:
        """Whether this process looks after it."""
        return self.vitals is not None

    def is_walked(self, listing: ListingName) -> bool:
        """Whether a listing is still one to walk, as far as is known."""
        return self.vitals is not None and self.vitals.is_asked_for(listing)

    @property
    def total(self) -> int:
        """How many recordings the catalog has of it."""
        return sum(self.status.states.values()) if self.status else 0

    @property
    def archived(self) -> int:
        """How many of them are verified in storage, or were before the provider's copy was deleted."""
        states: Mapping[State, int] = self.status.states if self.status else {}
        return states.get(State.VERIFIED, 0) + states.get(State.REMOTE_DELETED, 0)

    @property
    def share(self) -> float:
        """The same in percent of all that can be archived."""
        states: Mapping[State, int] = self.status.states if self.status else {}
        wanted = self.total - states.get(State.EXCLUDED, 0) - states.get(State.GONE, 0)
        return 100.0 * self.archived / wanted if wanted else 0.0


def render(sight: Sight) -> str:
    """The page as HTML; whatever came from a provider is escaped."""
    statuses = sight.glance.statuses if sight.glance is not None else ()
    reasons = sorted(sight.reasons, key=_urgency)
    accounts = _accounts(statuses, reasons, sight.vitals)
    return _PAGES.get_template("status.html").render(
        sight=sight,
        now=sight.now,
        refresh_s=REFRESH_S,
        version=version("recording-archiver"),
        vitals=sight.vitals,
        reasons=reasons,
        is_losing=any(reason.code in LOSING for reason in reasons),
        has_lost=any(reason.code in LOSING and reason.seconds < 0 for reason in reasons),
        accounts=accounts,
        shown=_SHOWN,
        total=sum(account.total for account in accounts),
        archived=sum(account.archived for account in accounts),
        stored_bytes=sum(status.stored_bytes for status in statuses),
        backlog=sum(status.backlog for status in statuses),
        waiting=sight.glance.waiting if sight.glance else (),
        troubled=sight.figures.troubled if sight.figures else (),
        charts=_charts(sight.figures.hours) if sight.figures else (),
    )


def _urgency(reason: Reason) -> tuple[bool, bool]:
    """What loses recordings first, then what is of all accounts."""
    return reason.code not in LOSING, reason.account is not None


def _accounts(statuses: Sequence[AccountStatus], reasons: Sequence[Reason], vitals: Vitals) -> Sequence[AccountView]:
    known = {status.account: status for status in statuses}
    ordered = sorted(reasons, key=lambda reason: reason.account or "")
    by_account = {name: list(some) for name, some in groupby(ordered, key=lambda reason: reason.account)}
    names = sorted({*known, *vitals.accounts}, key=lambda name: (name not in by_account, name))
    return [
        AccountView(
            name=name,
            provider=known[name].provider if name in known else vitals.accounts[name].provider,
            status=known.get(name),
            vitals=vitals.accounts.get(name),
            reasons=by_account.get(name, ()),
        )
        for name in names
    ]


def _charts(hours: Sequence[Hour]) -> Sequence[Chart]:
    """What was stored, as recordings and as bytes."""
    return (
        _chart("Recordings stored", [(hour.begins_at, hour.count) for hour in hours], lambda count: f"{count:,}"),
        _chart("Bytes stored", [(hour.begins_at, hour.bytes) for hour in hours], format_size),
    )


def _chart(name: str, amounts: Sequence[tuple[datetime, int]], shown: Callable[[int], str]) -> Chart:
    most = max((amount for _, amount in amounts), default=0)
    bars = []
    for place, (begins_at, amount) in enumerate(amounts):
        height = max(_LEAST_HEIGHT, _CHART_HEIGHT * amount / most) if amount else 0.0
        title = f"{begins_at:%Y-%m-%d %H:00} UTC: {shown(amount)}"
        bars.append(Bar(x=place + 0.08, y=round(_CHART_HEIGHT - height, 2), height=round(height, 2), title=title))
    labels = [
        f"{begins_at:%H:00}{'' if place else ' UTC'}" for place, (begins_at, _) in enumerate(amounts[::_LABEL_EVERY])
    ]
    total = sum(amount for _, amount in amounts)
    return Chart(name=name, total=shown(total), most=shown(most), bars=bars, labels=labels)


def ago(moment: datetime | None, now: datetime) -> str:
    """A moment by its distance: ``3 min ago``, ``in 2 days``; ``never`` for None."""
    if moment is None:
        return "never"
    distance = now - moment
    text = _length(abs(distance))
    if abs(distance) < timedelta(seconds=5):
        return "now"
    return f"{text} ago" if distance > timedelta(0) else f"in {text}"


def _length(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    for name, size in (("day", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (name != "day" and seconds >= size):
            count = int(seconds // size)
            return f"{count:,} {name}{'s' if name == 'day' and count != 1 else ''}"
    return f"{seconds:.0f} s"


def _pages() -> Environment:
    pages = Environment(loader=PackageLoader("archiver.app.ops"), autoescape=True, undefined=StrictUndefined)
    pages.trim_blocks = pages.lstrip_blocks = True
    pages.filters |= {"size": format_size, "ago": ago, "number": lambda count: f"{count:,}"}
    return pages


_PAGES: Final = _pages()
