"""What people see while a run goes on."""

import asyncio
import io
import re
from dataclasses import dataclass, field

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from archiver.app.cli.progress import backfill_progress, verify_progress
from archiver.app.cli.progress.archiving import Archiving
from archiver.app.cli.progress.fixity import Fixity
from archiver.app.cli.progress.grid import clean, counted, cut
from archiver.app.cli.progress.pace import Recent, span, time_left
from archiver.model.account import AccountName
from archiver.model.errors import Unreachable
from archiver.model.listing import WalkId, WalkReport
from archiver.model.recording import ListingName
from archiver.pipeline.tally import Reached, Tally

LISTING = ListingName("recordings")
HEIGHT = 24


def tally(seen: int = 0, total: int | None = None, *, is_over: bool = False, backlog: int | None = 0) -> Tally:
    """An account that has read so far into its one listing, everything new to it."""
    one = Tally(backlog=backlog, new=seen)
    one.reached[LISTING] = Reached(seen=seen, total=total, is_over=is_over)
    return one


def walked(seen: int, doubt: str | None = None) -> Tally:
    """An account whose one listing was read to its end."""
    one = tally(seen, seen, is_over=True)
    one.walks.append(
        WalkReport(
            id=WalkId(1),
            listing=LISTING,
            is_complete=doubt is None,
            doubt=doubt,
            pages=1,
            listed=seen,
            new=seen,
            malformed=0,
        )
    )
    return one


def board(*tallies: Tally, name: str = "acc-{}") -> Archiving:
    """A board of accounts with numbered names."""
    return Archiving({AccountName(name.format(place)): one for place, one in enumerate(tallies)})


def drawn(frame: RenderableType, width: int = 200) -> list[str]:
    """The lines of a frame, as a terminal of this width shows them."""
    console = Console(file=io.StringIO(), width=width, height=HEIGHT, color_system=None)
    with console.capture() as capture:
        console.print(frame)
    return capture.get().splitlines()


def cells(one: Archiving, at_s: float, account: str = "acc-0") -> dict[str, str]:
    """An account's row by its headings, with room for all columns."""
    heading, *rows = drawn(one.frame(at_s, 200, HEIGHT))
    row = next(row for row in rows if row.startswith(account))
    return dict(zip(re.split("  +", heading), re.split("  +", row), strict=True))


@pytest.mark.parametrize("width", [1, 20, 60, 80, 120, 200])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_nothing_wraps(width: int, count: int) -> None:
    """Many accounts, names of 40 characters and counts of ten million: no line is too wide, no frame too high."""
    tallies = [tally(9_000_000, 10_000_000) for _ in range(count)]
    for one in tallies:
        one.failed, one.suspect, one.refused, one.last_error = 7, 8, 9, "GET " + "x" * 300
    shown = board(*tallies, name="an-account-of-which-the-name-is-long-{:03}")
    lines = drawn(shown.frame(1, width, HEIGHT), width)
    assert max(map(cell_len, lines)) <= width
    assert len(lines) == min(count + (count > 1) + 2, HEIGHT)


@pytest.mark.parametrize(
    ("width", "shown", "left_out"),
    [
        (60, {"listed", "verified", "speed", "ETA"}, {"known", "size", "in flight", "stored"}),
        (80, {"listed", "new", "stored", "verified", "in flight", "speed", "ETA"}, {"known", "size"}),
        (120, {"listed", "known", "new", "stored", "verified", "in flight", "size", "speed", "ETA"}, set()),
    ],
)
def test_columns(width: int, shown: set[str], left_out: set[str]) -> None:
    """On a narrow terminal the least important columns are left out."""
    heading = drawn(board(*[tally(160, 440)] * 3, name="sandbox-vobiz-{}").frame(1, width, HEIGHT), width)[0]
    assert all(word in heading for word in shown)
    assert not any(word in heading for word in left_out)


def test_what_went_wrong_has_a_column_once_there_is_any() -> None:
    """Failed and suspect recordings show when there are some, and never cost room before."""
    one = walked(200)
    assert not {"failed", "suspect"} & cells(board(one), 1).keys()
    one.failed, one.suspect = 2, 1
    row = cells(board(one), 1)
    assert (row["failed"], row["suspect"]) == ("2", "1")


@pytest.mark.parametrize(
    ("one", "listed"),
    [
        (Tally(), "–"),  # noqa: RUF001 - a dash
        (tally(160, 440), "160/440"),
        (tally(500, 440), "500/500"),
        (tally(29, None), "29/?"),
        (tally(29, None, is_over=True), "29 !"),
        (walked(1200), "1,200 ✓"),
        (walked(1200, doubt="rows moved"), "1,200 !"),
    ],
)
def test_listing_progress(one: Tally, listed: str) -> None:
    """Seen of claimed while walking, then a check mark when the walk is proven complete."""
    assert cells(board(one), 1)["listed"] == listed


def test_listings_of_an_account_are_added_up() -> None:
    """An account with several listings shows their sum; one that claims nothing makes the sum unknown."""
    one = tally(160, 440)
    one.reached[ListingName("user:1")] = Reached(seen=10, total=20)
    assert cells(board(one), 1)["listed"] == "170/460"
    one.reached[ListingName("user:2")] = Reached(seen=1)
    assert cells(board(one), 1)["listed"] == "171/?"


def test_the_busiest_accounts_are_shown() -> None:
    """When there are more accounts than lines the busiest are shown in their order, the others are counted."""
    tallies = [walked(10) for _ in range(40)]
    one = board(*tallies)
    one.frame(0, 80, 10)
    for place in (5, 17, 31):
        tallies[place].bytes = 1_000_000
    lines = drawn(one.frame(1, 80, 10), 80)
    assert len(lines) == 10
    assert [line.split()[0] for line in lines[1:8] if "MB/s" in line] == ["acc-5", "acc-17", "acc-31"]
    assert lines[8].startswith("… and 33 more")
    assert lines[9].startswith("40 accounts")
    assert "400 ✓" in lines[9]


def test_one_account_needs_no_total() -> None:
    """The row of all accounts comes with the second one."""
    assert len(drawn(board(walked(1)).frame(1, 80, HEIGHT))) == 2
    assert drawn(board(walked(1), walked(2)).frame(1, 80, HEIGHT))[-1].startswith("2 accounts")


def test_the_speed_is_that_of_the_last_seconds() -> None:
    """The speed forgets what was before five seconds; nothing is divided by the zeroth second."""
    one = walked(10)
    shown = board(one)
    assert cells(shown, 0)["speed"] == "–"  # noqa: RUF001 - a dash
    one.bytes = 900_000_000
    assert cells(shown, 100)["speed"] == "9 MB/s"
    one.bytes += 10_000_000
    assert cells(shown, 105)["speed"] == "2 MB/s"
    assert cells(shown, 111)["speed"] == "–"  # noqa: RUF001 - a dash


def test_the_time_left_follows_from_what_is_left_and_the_recent_pace() -> None:
    """A hundred are left and ten were settled in ten seconds: a hundred seconds; then none is left, and it is done."""
    one = walked(110)
    shown = board(one)
    assert cells(shown, 0)["ETA"] == "–"  # noqa: RUF001 - a dash
    one.verified, one.failed = 9, 1
    assert cells(shown, 10)["ETA"] == "1m40s"
    one.verified = 109
    assert cells(shown, 11)["ETA"] == "done"


def test_the_unread_rest_of_a_listing_counts_by_its_share_of_new_ones() -> None:
    """Half of the rows were new so far, so half of the other hundred are to come: 40 left and 50, at one a second."""
    one = tally(100, 200)
    one.new = 50
    shown = board(one)
    shown.frame(0, 80, HEIGHT)
    one.verified = 10
    assert cells(shown, 10)["ETA"] == "1m30s"
    one.reached[LISTING].total = None
    assert cells(shown, 10)["ETA"] == "–"  # noqa: RUF001 - a dash


def test_the_slowest_account_says_how_long_the_run_takes() -> None:
    """Accounts run side by side; one that was stopped before it began is not waited for."""
    slow, quick, stopped = walked(101), walked(110), Tally(trouble=Unreachable("no route to host"))
    shown = board(slow, quick, stopped)
    shown.frame(0, 80, HEIGHT)
    slow.verified, quick.verified = 1, 10
    assert cells(shown, 1, "3 accounts")["ETA"] == "1m40s"
    stopped.trouble = None
    assert cells(shown, 1, "3 accounts")["ETA"] == "–"  # noqa: RUF001 - a dash


def test_the_last_error_stands_below() -> None:
    """The latest error of any account, with its name and as one clean line; the same again by another is later."""
    one, other = walked(1), walked(1)
    shown = board(one, other)
    one.refused, one.last_error = 1, "GET a:\n\x1b[31m503"
    assert drawn(shown.frame(1, 80, HEIGHT))[-1] == "1 attempt failed, last: acc-0: GET a: [31m503"
    other.refused, other.last_error = 1, "cut"
    assert drawn(shown.frame(2, 80, HEIGHT))[-1] == "2 attempts failed, last: acc-1: cut"
    one.refused = 2
    assert drawn(shown.frame(3, 60, HEIGHT))[-1] == "3 attempts failed, last: acc-0: GET a: [31m503"
    assert drawn(shown.frame(3, 30, HEIGHT), 30)[-1] == "3 attempts failed, last: acc-…"


def test_trouble_before_the_first_request_is_an_error_too() -> None:
    """An account that could not even be identified says why."""
    shown = board(Tally(trouble=Unreachable("no route to host")))
    assert drawn(shown.frame(1, 80, HEIGHT))[-1] == "last error: acc-0: no route to host"


def test_no_account_is_no_display() -> None:
    """Without accounts there is nothing to show, and nothing breaks."""
    assert drawn(board().frame(0, 80, HEIGHT)) == []
    assert board().report(0) == []


def test_a_plain_line_tells_the_whole_run() -> None:
    """Everything in one line, with what is known of the end."""
    one = tally(1200, 6000)
    shown = board(one)
    shown.report(0)
    one.stored, one.verified, one.bytes, one.in_flight = 102, 100, 15_000_000, 2
    assert shown.report(10) == [
        "after 10s: listed 1,200 of 6,000, 1,200 new, 102 stored, 100 verified, 0 failed, 15 MB, 1.5 MB/s, 1,100 left, "
        "about 9m50s to go"
    ]


def test_an_account_has_a_plain_line_when_something_newly_went_wrong() -> None:
    """Of several accounts the one in trouble is named, once for each news; a single one needs no second line."""
    one, other = walked(10), walked(10)
    shown = board(one, other)
    assert len(shown.report(1)) == 1
    one.failed, one.refused, one.last_error = 1, 2, "404"
    line, news = shown.report(2)
    assert line.endswith("; 2 attempts failed, last: acc-0: 404")
    assert news == "  acc-0: 1 failed, 2 attempts failed, last error: 404"
    assert len(shown.report(3)) == 1
    assert len(board(one).report(4)) == 1


@dataclass
class Copies:
    """A fixity run's tally."""

    checked: int = 0
    ok: int = 0
    damaged: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    bytes: int = 0
    total: int | None = None


@pytest.mark.parametrize("width", [30, 60, 80, 120])
def test_verify_shows_what_it_found(width: int) -> None:
    """What was found damaged keeps its column however narrow it is, and the last one is named below."""
    copies = Copies(checked=1204, ok=1202, damaged=["id-1", "id-2"], bytes=10**9, total=10_000_000)
    lines = drawn(Fixity(copies).frame(3, width, HEIGHT), width)
    assert max(map(cell_len, lines)) <= width
    assert "damaged" in lines[0]
    assert lines[-1] == "last damaged: id-2"
    assert ("1,204/10,000,000" in lines[1]) == (width > 30)
    assert "unreadable" not in lines[0]
    copies.unreadable.append("id-4")
    assert "unreadable" in drawn(Fixity(copies).frame(3, 60, HEIGHT))[0]


def test_verify_in_plain_lines() -> None:
    """The same in a line; without a total there is no end to foresee."""
    copies = Copies()
    shown = Fixity(copies)
    assert not shown.has_begun()
    assert shown.report(0) == ["after 0s: checked 0, 0 ok, 0 damaged, 0 missing, 0 B, 0 B/s"]
    copies.checked, copies.ok, copies.bytes, copies.total, copies.missing = 10, 9, 5_000_000, 30, ["id-3"]
    assert shown.has_begun()
    assert shown.report(10) == [
        "after 10s: checked 10 of 30, 9 ok, 0 damaged, 1 missing, 5 MB, 500 kB/s, about 20s to go; last missing: id-3"
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (80, "1m20s"),
        (3599.7, "1h00m"),
        (11_100, "3h05m"),
        (187_200, "2d04h"),
        (10**9, "11,574d"),
    ],
)
def test_span(seconds: float, text: str) -> None:
    """A time that passes is written in two units at most, in at most seven characters."""
    assert span(seconds) == text


def test_recent_pace() -> None:
    """The pace is taken from the latest look that is a span ago, however many came since."""
    recent = Recent(5)
    paces = [recent.per_s(count, now_s) for now_s, count in enumerate([0, 10, 20, 30, 40, 50, 50, 50])]
    assert paces == [0, 10, 10, 10, 10, 10, 8, 6]


def test_waiting_for_the_first_is_no_slowness() -> None:
    """The seconds before anything was counted don't make the pace look slower."""
    recent = Recent(60)
    assert [recent.per_s(count, now_s) for now_s, count in enumerate([0, 0, 0, 0, 10])][-1] == 10


@pytest.mark.parametrize(
    ("rest", "per_s", "seconds"), [(None, 1, None), (10, 0, None), (0, 0, 0), (-1, 1, 0), (10, 4, 2.5)]
)
def test_time_left(rest: float | None, per_s: float, seconds: float | None) -> None:
    """Nothing takes no time; something takes an unknown time while nothing moves."""
    assert time_left(rest, per_s) == seconds


@pytest.mark.parametrize(
    ("width", "text"), [(20, "acme-india-north"), (12, "acme-i…north"), (2, "a…"), (1, "…"), (0, "")]
)
def test_cut(width: int, text: str) -> None:
    """A name that is too long loses its middle."""
    assert cut("acme-india-north", width) == text


def test_words() -> None:
    """One is singular; a text from outside becomes one line that no terminal obeys."""
    assert (counted(1, "account"), counted(2, "account"), counted(0, "account")) == (
        "1 account",
        "2 accounts",
        "0 accounts",
    )
    assert clean("a\r\n\tb\x07\x9b c\u202e") == "a b c"


async def test_commands_write_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Progress of every command goes to stderr; stdout is for results."""
    async with backfill_progress({AccountName("acme"): walked(3)}), verify_progress(Copies(checked=7)):
        await asyncio.sleep(0)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("listed 3, 3 new") == err.count("checked 7,") == 2
