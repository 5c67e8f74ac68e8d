"""Windows: every instant is asked for, however the time is cut, and a walk by windows loses nothing."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model.errors import ListingError, WindowTooLarge
from archiver.model.listing import Cursor, Listing, Page, WalkKind, WalkReport, Window
from archiver.model.recording import Listed
from archiver.pipeline.windows import SHORTEST, Position, halves, plan
from archiver.ports.provider import Capabilities, WindowRule
from tests.builders import RECORDINGS, make_listed
from tests.fakes.catalog import FakeCatalog
from tests.fakes.provider import FakeProvider
from tests.unit.pipeline.bench import Bench, RunningClock, make_account

DAY = timedelta(days=1)
RULE = WindowRule(longest=7 * DAY, overlap=DAY, reach=90 * DAY, month_seam=timedelta(hours=27))
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)

moments = st.datetimes(datetime(2019, 12, 1), datetime(2026, 3, 20), timezones=st.just(UTC))  # noqa: DTZ001
rules = st.builds(
    WindowRule,
    longest=st.timedeltas(timedelta(days=2), timedelta(days=40)),
    overlap=st.timedeltas(timedelta(0), timedelta(days=1)),
    reach=st.timedeltas(timedelta(days=1), timedelta(days=800)),
    month_seam=st.none() | st.timedeltas(timedelta(hours=1), timedelta(hours=30)),
)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.none() | moments, st.none() | moments, rules, moments)
def test_every_instant_is_asked_for(
    since: datetime | None, until: datetime | None, rule: WindowRule, probe: datetime
) -> None:
    """D3: whatever lies between the bounds lies in a window; none is longer than allowed, both ends are given."""
    windows = plan(Window(since, until), rule, NOW)
    for window in windows:
        assert window.since is not None
        assert window.until is not None
        assert timedelta(0) <= window.until - window.since <= max(rule.longest, 2 * (rule.month_seam or timedelta(0)))
    first, last = since or NOW - rule.reach, until or NOW
    if first <= probe <= last:
        assert any(window.covers(probe) for window in windows)


def test_neighbours_overlap() -> None:
    """Each window begins one overlap before the end of the one before, so nothing on an edge is missed."""
    windows = plan(Window(), WindowRule(longest=7 * DAY, overlap=DAY, reach=90 * DAY), NOW)
    for before, after in pairwise(windows):
        assert before.until is not None
        assert after.since == before.until - DAY


def test_each_change_of_month_has_a_window_of_its_own() -> None:
    """Around every change of month one more window reaches to both sides."""
    windows = plan(Window(datetime(2025, 12, 20, tzinfo=UTC)), RULE, NOW)
    for month in (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)):
        assert Window(month - timedelta(hours=27), month + timedelta(hours=27)) in windows


ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Kolkata", "Australia/Lord_Howe")
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


def month_edges(zone: str) -> Iterator[datetime]:
    """Every change of month from 2019 to 2028, three leap days among them, as clocks there show it."""
    return (datetime(year, month, 1, tzinfo=ZoneInfo(zone)) for year in range(2019, 2029) for month in range(1, 13))


def clock_changes(zone: str) -> Iterator[datetime]:
    """The hours of 2025 and 2026 in which clocks there are changed, and the same a fold later."""
    tz, hour = ZoneInfo(zone), datetime(2025, 1, 1, tzinfo=UTC)
    while hour.year < 2027:
        before, hour = hour, hour + HOUR
        if before.astimezone(tz).utcoffset() != hour.astimezone(tz).utcoffset():
            yield from (hour.astimezone(tz), hour.astimezone(tz).replace(fold=1))


def assert_whole(windows: Sequence[Window], since: datetime, until: datetime, rule: WindowRule) -> None:
    """Whatever is as long as the overlap lies whole in one window, wherever in the time it begins; and every change of
    month lies in a window that reaches as far to both sides as there is time."""
    edges = [edge for window in windows for edge in (window.since, window.until) if edge]
    moments = [
        moment + shift for moment in [since, until, *edges] for shift in (-rule.overlap, -SECOND, SECOND * 0, SECOND)
    ]
    for moment in moments:
        if since <= moment <= until - rule.overlap:
            assert any(window.covers(moment) and window.covers(moment + rule.overlap) for window in windows), moment
    assert any(window.covers(since) for window in windows)
    assert any(window.covers(until) for window in windows)
    for edge in month_edges("UTC"):
        if rule.month_seam and since - rule.month_seam <= edge <= until:
            seam = (edge - rule.month_seam, min(until, edge + rule.month_seam))
            assert any(all(map(window.covers, seam)) for window in windows), edge


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("length", [timedelta(0), HOUR, 26 * HOUR, 8 * DAY, 70 * DAY], ids=str)
def test_no_edge_of_a_month_or_of_a_day_is_a_hole(zone: str, length: timedelta) -> None:
    """D3, D5: at every change of month of ten years and of every clock, leap days and years' ends included, whatever
    the zone that a time is told in, no instant, no overlap and no seam is left out."""
    shifts = (-28 * HOUR, -27 * HOUR, -SECOND, SECOND * 0, SECOND, 26 * HOUR)
    for edge in (*month_edges(zone), *clock_changes(zone)):
        for shift in shifts:
            since = edge.astimezone(UTC) + shift
            until = since + length
            windows = plan(Window(since.astimezone(edge.tzinfo)), RULE, until.astimezone(edge.tzinfo))
            assert_whole(windows, since, until, RULE)


def test_a_seam_is_asked_for_from_before_it() -> None:
    """A window that begins shortly behind a change of month would show nothing that is kept in the month before."""
    edge = datetime(2026, 3, 1, tzinfo=UTC)
    assert Window(edge - 27 * HOUR, edge + 3 * HOUR) in plan(Window(edge + HOUR), RULE, edge + 3 * HOUR)


def test_halves_meet_and_end() -> None:
    """Two halves share the instant in the middle; a window that is too short, or open, has none."""
    parts = halves(Window(NOW - DAY, NOW))
    assert parts
    assert (parts[0].since, parts[0].until, parts[1].until) == (NOW - DAY, parts[1].since, NOW)
    assert halves(Window(NOW - SHORTEST, NOW)) is None
    assert halves(Window()) is None


def test_a_position_outlives_the_process() -> None:
    """A position can be kept as text; what is ahead of it is the rest of its window, and all later ones."""
    windows = plan(Window(), RULE, NOW)
    whole = windows[3]
    parts = halves(whole)
    assert parts
    position = Position.parse(Position(step=3, window=parts[0], cursor=Cursor("next")).as_cursor())
    assert (position.window, position.cursor) == (parts[0], "next")
    assert [one.window for one in position.rest(windows)] == [*parts, *windows[4:]]
    assert [one.window for one in Position(step=3, window=parts[1]).rest(windows)] == [parts[1], *windows[4:]]


@dataclass
class MonthlyProvider(FakeProvider):
    """A listing kept by the time of filing, by month, with a ceiling or a longest window; its edges are inclusive.

    A row filed in a month other than the one it is kept in is only shown by windows that touch both.
    """

    filed: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    longest: timedelta = timedelta(days=31)
    ceiling: int | None = None
    asked: list[Window] = field(default_factory=list)
    trouble: dict[int, BaseException] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.capabilities = Capabilities(windows=RULE)

    async def list_page(self, listing: Listing, window: Window, cursor: Cursor | None) -> Page:
        """Two rows a page, by a cursor that counts; refuses what is too long."""
        self.asked.append(window)
        if error := self.trouble.pop(len(self.asked), None):
            raise error
        assert window.since is not None
        assert window.until is not None
        if window.until - window.since > self.longest:
            raise WindowTooLarge("400: shorter, please")
        months = {(window.since + timedelta(days=day)).month for day in range((window.until - window.since).days + 1)}
        months.add(window.until.month)
        found = sorted(
            name for name, (at, month) in self.filed.items() if window.since <= at <= window.until and month in months
        )
        if self.ceiling is not None:
            return Page(rows=self._rows(found[: self.ceiling]), is_full=len(found) >= self.ceiling)
        start = int(cursor or 0)
        following = Cursor(str(start + 2)) if start + 2 < len(found) else None
        return Page(rows=self._rows(found[start : start + 2]), next_cursor=following)

    def _rows(self, names: list[str]) -> tuple[Listed, ...]:
        return tuple(make_listed(name, started_at=self.filed[name][0]) for name in names)


def make_filed(count: int = 40) -> dict[str, tuple[datetime, int]]:
    """Recordings over eighty days, one of them kept in the month before the one it was filed in."""
    times = {f"r{number}": NOW - number * timedelta(days=2) for number in range(count)}
    times["seam"] = datetime(2026, 3, 1, 1, tzinfo=UTC)
    return {name: (at, 2 if name == "seam" else at.month) for name, at in times.items()}


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """A bench whose catalog lives at the time for which the recordings are made."""
    clock = RunningClock()
    clock.advance(NOW - clock.now())
    bench.catalog = FakeCatalog(clock)
    return bench


async def walk(
    bench: Bench, provider: MonthlyProvider, window: Window | None = None, kind: WalkKind = WalkKind.FULL
) -> WalkReport:
    """Walk by windows."""
    bench.provider = provider
    async with bench.start():
        return await bench.walker.walk(RECORDINGS, window or Window(), kind)


@pytest.mark.parametrize(
    "changes", [{}, {"longest": 3 * DAY}, {"ceiling": 4}, {"longest": 2 * DAY, "ceiling": 3}], ids=str
)
async def test_a_walk_by_windows_finds_everything(bench: Bench, changes: dict[str, object]) -> None:
    """D3: every row is found once, at every edge and every change of month, also when windows must be halved."""
    provider = MonthlyProvider(filed=make_filed(), **changes)  # type: ignore[arg-type]  # a table of options
    report = await walk(bench, provider)
    assert (report.is_complete, report.doubt, report.listed, report.new) == (True, None, 41, 41)


async def test_empty_windows_are_not_the_end(bench: Bench) -> None:
    """A time without recordings says nothing about the time before it."""
    provider = MonthlyProvider(filed={"old": (NOW - 80 * DAY, (NOW - 80 * DAY).month)})
    assert (await walk(bench, provider)).listed == 1


async def test_a_ceiling_that_no_halving_gets_below_is_told(bench: Bench) -> None:
    """D2: what cannot be read whole makes the walk incomplete, and the rest is recorded all the same."""
    crowd = {f"c{number}": (NOW - 5 * DAY, 3) for number in range(6)}
    report = await walk(bench, MonthlyProvider(filed=crowd | {"other": (NOW - 40 * DAY, 2)}, ceiling=3))
    assert not report.is_complete
    assert report.doubt
    assert "full" in report.doubt
    assert report.listed >= 4


async def test_a_walk_by_windows_is_resumed_where_it_stopped(bench: Bench) -> None:
    """D4: an interrupted walk goes on in the window, and at the page, that it had come to; nothing is lost."""
    provider = MonthlyProvider(filed=make_filed(), trouble={9: asyncio.CancelledError()})
    with pytest.raises(asyncio.CancelledError):
        await walk(bench, provider)
    before = len(provider.asked)
    report = await walk(bench, provider)
    assert (report.is_complete, report.listed) == (True, 41)
    assert provider.asked[before] == provider.asked[before - 1], "it goes on with the page that was not had"


async def test_an_unknown_shape_in_one_window_makes_the_walk_incomplete(bench: Bench) -> None:
    """D2: a window that cannot be believed ends the walk as incomplete, with the reason."""
    report = await walk(bench, MonthlyProvider(filed=make_filed(), trouble={5: ListingError("no envelope")}))
    assert (report.is_complete, report.doubt) == (False, "no envelope")


async def test_a_looping_cursor_ends_its_window(bench: Bench) -> None:
    """D2: a page that names an earlier one ends its window, bounded and in doubt; later windows are read."""

    class Looping(MonthlyProvider):
        async def list_page(self, listing: Listing, window: Window, cursor: Cursor | None) -> Page:
            page = await super().list_page(listing, window, None)
            return Page(rows=page.rows, next_cursor=Cursor("again"))

    provider = Looping(filed=make_filed())
    report = await walk(bench, provider)
    assert not report.is_complete
    assert len(provider.asked) <= 3 * len(plan(Window(), RULE, NOW))


async def test_the_account_s_since_bounds_the_walk(bench: Bench) -> None:
    """What the operator does not want from before a date is never asked for."""
    bench.account = make_account(since=NOW - 10 * DAY)
    provider = MonthlyProvider(filed=make_filed())
    report = await walk(bench, provider)
    assert report.listed == 6
    assert min(window.since for window in provider.asked if window.since) == NOW - 10 * DAY


async def test_a_narrowed_run_asks_a_little_further(bench: Bench) -> None:
    """A recording is filed after its start, so the end reaches an overlap further than --until."""
    started, filed = NOW - 20 * DAY, NOW - 20 * DAY + timedelta(hours=3)
    provider = MonthlyProvider(filed={"late": (filed, filed.month)})
    report = await walk(bench, provider, Window(started - DAY, started + timedelta(hours=4)))
    assert report.listed == 1


async def test_an_incremental_walk_asks_for_what_can_be_new(bench: Bench) -> None:
    """It plans from the boundary on, up to now, and finds what was filed since, or showed up late."""
    bench.account = make_account(overlap=DAY, lag=HOUR)
    provider = MonthlyProvider(filed=make_filed())
    full = await walk(bench, provider)
    provider.asked.clear()
    provider.filed |= {"new": (NOW + HOUR, 3), "late": (NOW - DAY, 3)}
    bench.catalog.clock.advance(2 * HOUR)
    report = await walk(bench, provider, kind=WalkKind.INCREMENTAL)
    began_at = bench.catalog._walks[full.id].started_at
    assert (report.is_complete, report.new) == (True, 2)
    assert {window.since for window in provider.asked} == {began_at - HOUR - DAY}


@pytest.mark.parametrize("minutes", [0, 1, 59, 61, 200])
async def test_an_incremental_walk_spans_the_seam(bench: Bench, minutes: int) -> None:
    """D3: what was filed behind a change of month, is kept before it, and showed up late, is found by a walk whose
    boundary lies behind the change already."""
    bench.account = make_account(overlap=HOUR, lag=HOUR)
    edge = datetime(2026, 3, 1, tzinfo=UTC)
    bench.catalog.clock.advance(edge + timedelta(minutes=minutes) + 2 * HOUR - bench.catalog.clock.now())
    provider = MonthlyProvider(filed={"old": (edge - 9 * DAY, 2)})
    await walk(bench, provider)
    provider.filed["late"] = (edge + timedelta(minutes=minutes) + HOUR, 2)
    bench.catalog.clock.advance(HOUR)
    report = await walk(bench, provider, kind=WalkKind.INCREMENTAL)
    assert (report.is_complete, report.new) == (True, 1)


async def test_an_interrupted_incremental_walk_begins_anew(bench: Bench) -> None:
    """D4: it goes on at its boundary, not at the window it had come to."""
    provider = MonthlyProvider(filed=make_filed())
    await walk(bench, provider)
    bench.catalog.clock.advance(20 * DAY)
    provider.asked.clear()
    provider.trouble = {3: asyncio.CancelledError()}
    with pytest.raises(asyncio.CancelledError):
        await walk(bench, provider, kind=WalkKind.INCREMENTAL)
    before = len(provider.asked)
    assert (await walk(bench, provider, kind=WalkKind.INCREMENTAL)).is_complete
    assert provider.asked[before] == provider.asked[0]


async def test_a_window_in_doubt_moves_no_watermark(bench: Bench) -> None:
    """D2: an incremental walk that came to doubt a window is incomplete, and the next one asks for all of it again."""
    provider = MonthlyProvider(filed=make_filed())
    await walk(bench, provider)
    bench.catalog.clock.advance(20 * DAY)
    provider.asked.clear()
    provider.trouble = {3: ListingError("no envelope")}
    assert (await walk(bench, provider, kind=WalkKind.INCREMENTAL)).doubt == "no envelope"
    before = len(provider.asked)
    assert (await walk(bench, provider, kind=WalkKind.INCREMENTAL)).is_complete
    assert provider.asked[before].since == provider.asked[0].since


async def test_made_up_rows_end_their_walk(bench: Bench) -> None:
    """D2: a window that invents rows for ever, under ever new cursors, is left after a bounded number of pages."""

    class Inventing(MonthlyProvider):
        async def list_page(self, listing: Listing, window: Window, cursor: Cursor | None) -> Page:
            self.asked.append(window)
            number = len(self.asked)
            rows = (make_listed(f"i{number}", started_at=NOW), make_listed(f"j{number}", started_at=NOW))
            return Page(rows=rows, next_cursor=Cursor(str(number)), total=10)

    provider = Inventing()
    report = await walk(bench, provider)
    assert report.doubt == "the listing does not end: 140 pages are more than it can have"
    assert len(provider.asked) == 140
