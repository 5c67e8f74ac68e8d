"""How a run ends for people."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from archiver.app.cli.report import print_summary, show_proof
from archiver.app.demo import Proof
from archiver.app.summary import AccountSummary, Summary
from archiver.model.account import AccountName
from archiver.model.errors import Unreachable
from archiver.model.listing import WalkId, WalkReport
from archiver.model.recording import ListingName
from archiver.pipeline.tally import Tally


def account(tally: Tally, listed: int = 200, gone: int = 0, left: int = 0) -> AccountSummary:
    """An account's part."""
    return AccountSummary(tally=tally, listed=listed, gone=gone, left=left, states={})


def shown(summary: Summary, width: int = 200, *, is_terminal: bool = True) -> list[str]:
    """What the summary looks like at a width."""
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=is_terminal,
        color_system=None,
        highlight=False,
        _environ={"TERM": "xterm"},
    )
    with console.capture() as capture:
        print_summary(console, summary, "/srv/recordings")
    return capture.get().splitlines()


def run(*parts: AccountSummary, name: str = "acc-{}", elapsed_s: float = 10) -> Summary:
    """A run over accounts with numbered names."""
    accounts = {AccountName(name.format(place)): part for place, part in enumerate(parts)}
    return Summary(accounts=accounts, elapsed_s=elapsed_s)


def busy() -> Tally:
    """An account about which there is everything to say."""
    return Tally(
        stored=10_000_000,
        verified=10_000_000,
        bytes=10**13,
        failed=1,
        suspect=2,
        refused=3,
        last_error="GET media d7801b2e: 503 " + "please come back later " * 10,
        trouble=Unreachable("no route to host"),
        walks=[
            WalkReport(
                id=WalkId(1),
                listing=ListingName("recordings"),
                is_complete=False,
                doubt="the listing claims 57 recordings and shows 55",
                pages=1,
                listed=55,
                new=55,
                malformed=1,
            )
        ],
    )


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(width: int, count: int) -> None:
    """Names of 40 characters and counts of ten million fit every width: names give way, then the table itself."""
    parts = [account(busy(), listed=10_000_000, gone=1, left=12) for _ in range(count)]
    lines = shown(run(*parts, name="an-account-of-which-the-name-is-long-{:03}"), width)
    assert max(map(len, lines)) <= width
    assert sum(line.count("10,000,000") for line in lines) >= 3 * count
    assert not any("0…" in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_small_run_is_a_table_at_every_width(width: int) -> None:
    """Three accounts with hundreds of recordings are one table: heading, three rows, and all of them together."""
    parts = [account(Tally(stored=200, verified=200, bytes=31_200_000)) for _ in range(3)]
    lines = shown(run(*parts, name="sandbox-vonage-{:03}"), width)
    assert lines[0].split() == ["account", "listed", "new", "known", "stored", "verified", "size", "left"]
    assert lines[4].split() == ["3", "accounts", "600", "0", "600", "600", "600", "93.6", "MB", "0"]
    assert lines[6].startswith("93.6 MB in 10.0 s, 9.36 MB/s. Recordings lie in")


def test_one_account_needs_no_total() -> None:
    """A single account's row is the total, and a run that moved nothing has no speed."""
    lines = shown(run(account(Tally()), elapsed_s=0))
    assert [line.split()[0] for line in lines if line] == ["account", "acc-0", "0"]
    assert lines[-1] == "0 B in 0.0 s. Recordings lie in /srv/recordings"


@pytest.mark.parametrize(
    ("count", "line"),
    [
        (1, "  1 recording is suspect: its bytes may not be the call; see `archiver ls --suspect`"),
        (2, "  2 recordings are suspect: their bytes may not be the call; see `archiver ls --suspect`"),
    ],
)
def test_suspects_are_told(count: int, line: str) -> None:
    """A suspect recording has a column and a sentence that says what it means and where to look."""
    lines = shown(run(account(Tally(suspect=count))))
    assert "suspect" in lines[0]
    assert line in lines
    assert not any("suspect" in line for line in shown(run(account(Tally()))))


def test_what_is_left_is_told_per_account() -> None:
    """Each account in trouble has its name and its reasons below the table; one without is not named again."""
    lines = shown(run(account(Tally()), account(busy(), gone=1, left=1)), 120)
    reasons = lines[lines.index("acc-1") :]
    assert reasons[1:9] == [
        "  recordings: incomplete: the listing claims 57 recordings and shows 55",
        "  no route to host",
        "  fix: check base_url, the network and the firewall here, and whether the provider is up",
        "  1 row of the listing is malformed and was put in quarantine",
        "  1 recording failed for good",
        "  1 recording is gone at the provider and was never stored",
        "  2 recordings are suspect: their bytes may not be the call; see `archiver ls --suspect`",
        "  1 recording is left for the next run",
    ]
    assert reasons[9].startswith("  last error: GET media d7801b2e: 503 please")
    assert reasons[10].startswith("  back later please")
    assert "acc-0" not in lines


def test_a_file_gets_every_sentence_in_one_line() -> None:
    """Without a terminal nothing is broken into lines, so that it can be searched."""
    lines = shown(run(account(busy(), left=1)), is_terminal=False)
    assert any(line.startswith("  last error: ") and len(line) > 230 for line in lines)


def test_an_error_cannot_command_the_terminal() -> None:
    """What a provider says is printed without escapes and markup."""
    lines = shown(run(account(Tally(last_error="[bold]\x1b[2J\nhere"), left=1)))
    assert "  last error: [bold] [2J here" in lines


@pytest.mark.parametrize("width", [60, 200])
def test_the_proof(width: int) -> None:
    """The demo ends with what was proven and two commands, each in one piece."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    path = Path("/a/folder/with/a/rather/long/name/so/that/it/does/not/fit/config.toml")
    with console.capture() as capture:
        show_proof(Proof(served=0, expected=600, equal=600), path, console=console)
    text = capture.get()
    assert "600 of 600 recordings are verified" in text
    assert "none was fetched again" in " ".join(text.split())
    assert f"ls --config {path}\n" in text
    assert max(len(line) for line in text.splitlines() if "--config" not in line) <= width
