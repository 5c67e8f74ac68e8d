"""The status page: one document, no script, nothing fetched from anywhere; good in light, in dark and on a phone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import groupby
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from archiver.app.daemon.vitals import AccountVitals, Vitals
from archiver.app.ops.glance import Figures
from archiver.app.ops.readiness import Reason
from archiver.model.account import AccountName
from archiver.model.recording import State
from archiver.model.units import format_size
from archiver.ports.catalog import AccountStatus
from archiver.ports.statistics import Hour

REFRESH_S: Final = 30
_SHOWN: Final = (State.VERIFIED, State.STORED, State.PENDING, State.DAMAGED, State.FAILED, State.GONE, State.EXCLUDED)
_CHART_WIDTH: Final = 720
_CHART_HEIGHT: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """An hour in the chart, in its units."""

    x: float
    y: float
    width: float
    height: float
    title: str
    label: str


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
        return 100.0 * self.archived / wanted if wanted else 100.0


def render(
    statuses: Sequence[AccountStatus], reasons: Sequence[Reason], figures: Figures | None, vitals: Vitals
) -> str:
    """The page as HTML; whatever came from a provider is escaped."""
    now = datetime.now(UTC)
    accounts = _accounts(statuses, reasons, vitals)
    return _PAGES.get_template("status.html").render(
        now=now,
        refresh_s=REFRESH_S,
        version=version("recording-archiver"),
        vitals=vitals,
        reasons=reasons,
        accounts=accounts,
        shown=_SHOWN,
        total=sum(account.total for account in accounts),
        archived=sum(account.archived for account in accounts),
        stored_bytes=sum(status.stored_bytes for status in statuses),
        backlog=sum(status.backlog for status in statuses),
        figures=figures,
        bars=_bars(figures.hours) if figures else (),
        day_count=sum(hour.count for hour in figures.hours) if figures else 0,
        day_bytes=sum(hour.bytes for hour in figures.hours) if figures else 0,
        chart=(_CHART_WIDTH, _CHART_HEIGHT),
    )


def _accounts(statuses: Sequence[AccountStatus], reasons: Sequence[Reason], vitals: Vitals) -> Sequence[AccountView]:
    known = {status.account: status for status in statuses}
    ordered = sorted(reasons, key=lambda reason: reason.account or "")
    by_account = {name: list(some) for name, some in groupby(ordered, key=lambda reason: reason.account)}
    names = sorted({*known, *vitals.accounts})
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


def _bars(hours: Sequence[Hour]) -> Sequence[Bar]:
    """The hours as bars, the highest as high as the chart."""
    most = max((hour.count for hour in hours), default=0) or 1
    step = _CHART_WIDTH / max(1, len(hours))
    bars = []
    for place, hour in enumerate(hours):
        height = _CHART_HEIGHT * hour.count / most
        if hour.count:
            height = max(height, 2.0)
        title = f"{hour.begins_at:%Y-%m-%d %H:00} UTC: {hour.count:,} recordings, {format_size(hour.bytes)}"
        bars.append(
            Bar(
                x=round(place * step + 1.5, 1),
                y=round(_CHART_HEIGHT - height, 1),
                width=round(step - 3, 1),
                height=round(height, 1),
                title=title,
                label=f"{hour.begins_at:%H}" if place % 3 == 0 else "",
            )
        )
    return bars


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
