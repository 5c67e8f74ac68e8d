"""How a backfill ends for a person: a row per account, what is left and why, and where the files lie."""

import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console

from archiver.app.cli.output import plain_table, print_json, stdout_console
from archiver.app.cli.progress.grid import clean, counted, cut
from archiver.app.config.load import Config
from archiver.app.demo import Proof
from archiver.app.summary import AccountSummary, Summary
from archiver.model.account import AccountName
from archiver.model.units import format_size

_COLUMNS: Final = ("listed", "new", "known", "stored", "verified", "suspect", "size", "left")
_SHORTEST_NAME: Final = 12
_INCOMPLETE_FIX: Final = "what it did list is archived; run again, and if it stays so, send these words to the provider"
_WORDS: Final = (
    (
        "row of the listing is malformed and was put in quarantine",
        "rows of the listing are malformed and were put in quarantine",
    ),
    ("recording failed for good", "recordings failed for good"),
    (
        "recording is gone at the provider and was never stored",
        "recordings are gone at the provider and were never stored",
    ),
    (
        "recording is suspect: its bytes may not be the call; see `archiver ls --suspect`",
        "recordings are suspect: their bytes may not be the call; see `archiver ls --suspect`",
    ),
    ("recording is left for the next run", "recordings are left for the next run"),
)
"""What there is to say about malformed, failed, gone, suspect and left ones: of one, and of several."""


def show_summary(summary: Summary, config: Config, *, as_json: bool) -> None:
    """Print the summary to stdout."""
    if as_json:
        print_json(summary.as_json())
    else:
        print_summary(stdout_console(), summary, config.storage.url.removeprefix("file:"))


def print_summary(console: Console, summary: Summary, storage: str) -> None:
    """The numbers, then what is left and why, account by account, then where it all lies."""
    _show_numbers(console, summary.accounts)
    for name, part in summary.accounts.items():
        _explain(console, name, part)
    if summary.is_dry_run:
        console.print("\nDry run: neither catalog nor storage was changed.")
        return
    moved = sum(part.tally.bytes for part in summary.accounts.values())
    pace = format_size(moved / summary.elapsed_s) if moved and summary.elapsed_s else None
    took = f"{format_size(moved)} in {summary.elapsed_s:.1f} s" + (f", {pace}/s" if pace else "")
    console.print()
    _paragraph(console, f"{took}. Recordings lie in {storage}")


def show_proof(proof: Proof, config_path: Path, *, console: Console | None = None) -> None:
    """What the demo shows: that archive and ledger agree, and what a newcomer can do next."""
    console = console or stdout_console()
    fetched = f"{proof.served:,} of them were fetched in this run" if proof.served else "none was fetched again"
    console.print()
    _paragraph(
        console,
        f"{proof.equal:,} of {counted(proof.expected, 'recording')} are verified: read back from the disk, and equal "
        f"to what the sandbox's ledger says that it serves; {fetched}. Run it again, or look around:",
    )
    console.print()
    for command in ("ls", "status"):
        console.print(f"  {_command()} {command} --config {config_path}", soft_wrap=True)


def _command() -> str:
    """How this program is called from here: by its path when it lies below this folder, as in a clone's ``.venv``."""
    called = Path(sys.argv[0]).absolute()
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else "archiver"


def _show_numbers(console: Console, accounts: Mapping[AccountName, AccountSummary]) -> None:
    """A table; where it does not fit, a sentence per account, since a number that is cut is worse than none."""
    rows: dict[str, dict[str, int]] = {name: _numbers(part) for name, part in accounts.items()}
    if len(rows) > 1:
        rows[counted(len(rows), "account")] = {word: sum(row[word] for row in rows.values()) for word in _COLUMNS}
    columns = [word for word in _COLUMNS if word != "suspect" or any(row[word] for row in rows.values())]
    taken = sum(max(len(word), *(len(_text(word, row[word])) for row in rows.values())) for word in columns)
    for gap in (2, 1):
        room = console.width - taken - gap * len(columns)
        if room >= min(_SHORTEST_NAME, max(map(len, rows))):
            table = plain_table("account", *columns, numbers=frozenset(columns))
            table.padding = (0, gap, 0, 0)
            for name, row in rows.items():
                table.add_row(cut(name, room), *(_text(word, row[word]) for word in columns))
            console.print(table)
            return
    for name, row in rows.items():
        console.print(name, style="bold")
        _paragraph(console, ", ".join(f"{word} {_text(word, row[word])}" for word in columns), indent=2)


def _numbers(part: AccountSummary) -> dict[str, int]:
    tally = part.tally
    counts = (part.listed, part.new, part.listed - part.new, tally.stored, tally.verified, tally.suspect)
    return dict(zip(_COLUMNS, (*counts, tally.bytes, part.left), strict=True))


def _text(word: str, number: int) -> str:
    return format_size(number) if word == "size" else f"{number:,}"


def _explain(console: Console, name: str, part: AccountSummary) -> None:
    """Say what is left, line by line; nothing when all is done."""
    tally = part.tally
    lines = [f"{walk.listing}: incomplete: {walk.doubt}" for walk in tally.walks if walk.doubt]
    if tally.trouble and str(tally.trouble) not in " ".join(lines):
        lines.append(str(tally.trouble))
    if lines:
        lines.append(f"fix: {(tally.trouble and tally.trouble.fix) or _INCOMPLETE_FIX}")
    counts = (part.malformed, tally.failed, part.gone, tally.suspect, part.left)
    lines += [_said(count, *words) for count, words in zip(counts, _WORDS, strict=True) if count]
    if tally.last_error and (part.left or tally.failed) and tally.last_error not in " ".join(lines):
        lines += [f"last error: {tally.last_error}", *([f"fix: {tally.last_fix}"] if tally.last_fix else [])]
    if lines:
        console.print(f"\n{name}", style="bold")
    for line in lines:
        _paragraph(console, clean(line), indent=2)


def _said(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _paragraph(console: Console, text: str, indent: int = 0) -> None:
    """Print a text, on a terminal broken between its words; a path that is longer than a line stays in one piece."""
    margin = " " * indent
    lines = [margin + text]
    if console.is_terminal:
        lines = textwrap.wrap(
            text,
            max(20, console.width),
            initial_indent=margin,
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
        )
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
