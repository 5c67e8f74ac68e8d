"""How a backfill ends for a person: a table per account, what is left and why, and where the files lie."""

import sys
from pathlib import Path

from rich.console import Console

from archiver.app.cli.output import plain_table, print_json, stdout_console
from archiver.app.config.load import Config
from archiver.app.demo import Proof
from archiver.app.summary import AccountSummary, Summary
from archiver.model.units import format_size

_COLUMNS = ("account", "listed", "new", "known", "stored", "verified", "size", "left")


def show_summary(summary: Summary, config: Config, *, as_json: bool) -> None:
    """Print the summary to stdout."""
    if as_json:
        print_json(summary.as_json())
        return
    console = stdout_console()
    table = plain_table(*_COLUMNS, numbers=frozenset(_COLUMNS[1:]))
    for name, part in summary.accounts.items():
        table.add_row(name, *_numbers(part))
    console.print(table)
    for name, part in summary.accounts.items():
        _explain(console, name, part)
    if summary.is_dry_run:
        console.print("\nDry run: neither catalog nor storage was changed.")
        return
    moved = sum(part.tally.bytes for part in summary.accounts.values())
    pace = format_size(moved / summary.elapsed_s) if moved and summary.elapsed_s else None
    took = f"{format_size(moved)} in {summary.elapsed_s:.1f} s" + (f", {pace}/s" if pace else "")
    console.print(f"\n{took}. Recordings lie in {config.storage.url.removeprefix('file:')}", soft_wrap=True)


def show_proof(proof: Proof, config_path: Path) -> None:
    """What the demo shows: that archive and ledger agree, and what a newcomer can do next."""
    console = stdout_console()
    fetched = f"{proof.served:,} of them were fetched in this run" if proof.served else "none was fetched again"
    console.print(
        f"\n{proof.equal:,} of {proof.expected:,} recordings are verified: read back from the disk, and equal to what\n"
        f"the sandbox's ledger says that it serves; {fetched}. Run it again, or look around:\n",
        soft_wrap=True,
    )
    for command in ("ls", "status"):
        console.print(f"  {_command()} {command} --config {config_path}", soft_wrap=True)


def _command() -> str:
    """How this program is called from here: by its path when it lies below this folder, as in a clone's ``.venv``."""
    called = Path(sys.argv[0]).absolute()
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else "archiver"


def _numbers(part: AccountSummary) -> list[str]:
    tally = part.tally
    counts = (part.listed, part.new, part.listed - part.new, tally.stored, tally.verified)
    return [f"{count:,}" for count in counts] + [format_size(tally.bytes), f"{part.left:,}"]


def _explain(console: Console, name: str, part: AccountSummary) -> None:
    """Say what is left, line by line; nothing when all is done."""
    tally = part.tally
    lines = [f"{walk.listing}: incomplete: {walk.doubt}" for walk in tally.walks if walk.doubt]
    if tally.trouble and str(tally.trouble) not in " ".join(lines):
        lines.append(str(tally.trouble))
    if part.malformed:
        lines.append(f"{part.malformed:,} rows of the listing are malformed and were put in quarantine")
    if tally.failed:
        lines.append(f"{tally.failed:,} recordings failed for good")
    if part.gone:
        lines.append(f"{part.gone:,} recordings are gone at the provider and were never stored")
    if part.left:
        lines.append(f"{part.left:,} recordings are left for the next run")
        if tally.last_error and tally.last_error not in " ".join(lines):
            lines.append(f"last error: {tally.last_error}")
    if lines:
        console.print(f"\n{name}", style="bold")
    for line in lines:
        console.print(f"  {line}", markup=False, soft_wrap=True)
