"""``archiver show``, ``get``, ``verify`` and ``retry``: single recordings, and what is kept of them."""

import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from archiver.app.cli.parameters import DurationType
from archiver.app.cli.running import Common, common_options, load_config, run_command
from archiver.app.signals import Interruption

if TYPE_CHECKING:
    from archiver.catalog.postgres import Catalog
    from archiver.jobs.fixity import FixityTally, Selection

_READERS: Final = 8
"""Copies that are read back side by side: more would only make a disk seek."""


@click.command()
@common_options
@click.argument("name", metavar="ID")
def show(common: Common, name: str) -> None:
    """Show all that is known of a recording, and what happened to it.

    \b
    An ID is ACCOUNT/RECORDING_ID, or the recording's id alone where only one account has it.
    Example:
      archiver show acme-india/d7801b2e-6b65-4ca2-b6a5-bd1c85b5b2f0
    """

    async def body(interruption: Interruption) -> int:
        from archiver.app.cli.output import instant, print_json
        from archiver.app.cli.show import record_json, show_record
        from archiver.app.naming import resolve
        from archiver.app.wiring import open_catalog

        async with open_catalog(load_config(common)) as catalog:
            record = await resolve(catalog, name)
            history = await catalog.history(record.row)
        if not common.as_json:
            show_record(record, history)
            return 0
        events = [{"at": instant(event.at), "name": event.name, **event.facts} for event in history]
        print_json({**record_json(record), "history": events})
        return 0

    run_command(common, body)


@click.command()
@common_options
@click.argument("name", metavar="ID")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Where to write it; a folder gets it under its own name, and - is stdout (the default in a pipe).",
)
def get(common: Common, name: str, output: Path | None) -> None:
    """Bring a recording's audio out of storage. Bytes that are not the catalog's are refused.

    \b
    Example:
      archiver get acme-india/d7801b2e-6b65-4ca2-b6a5-bd1c85b5b2f0 -o call.wav
    """

    async def body(interruption: Interruption) -> int:
        from archiver.app.cli.output import print_json
        from archiver.app.naming import full_name, resolve
        from archiver.app.retrieval import save, stream
        from archiver.app.wiring import open_catalog, open_store

        is_stream = output == Path("-") or (output is None and not common.as_json)
        if is_stream and sys.stdout.isatty():
            raise click.UsageError("audio does not belong on a terminal: name a file with -o FILE, or use a pipe")
        config = load_config(common)
        async with open_catalog(config) as catalog:
            record = await resolve(catalog, name)
        async with open_store(config) as storage:
            if is_stream:
                await stream(storage, record, sys.stdout.buffer)
                return 0
            path = await save(storage, record, output or Path.cwd())
        if common.as_json:
            digest = record.digest.hex() if record.digest else None
            print_json({"id": full_name(record), "file": str(path), "size": record.size_bytes, "sha256": digest})
        else:
            click.echo(f"{path}  {record.size_bytes:,} bytes, digest checked", err=True)
        return 0

    run_command(common, body)


@click.command()
@common_options
@click.argument("names", metavar="[ID]...", nargs=-1)
@click.option("--account", metavar="NAME", help="Everything that is kept of this account.")
@click.option("--older-than", type=DurationType(), metavar="D", help="Only what was not read back for so long: 90d.")
@click.option("--all", "everything", is_flag=True, help="Everything that is kept.")
def verify(
    common: Common, names: tuple[str, ...], account: str | None, older_than: timedelta | None, everything: bool
) -> None:
    """Read stored copies back from the medium and compare them with the catalog's digests.

    What is damaged or missing is named, and fetched again by the next backfill while the provider has it.

    \b
    Example:
      archiver verify --older-than 90d
    """

    async def body(interruption: Interruption) -> int:
        from archiver.app.cli.progress import verify_progress
        from archiver.app.logs import configure
        from archiver.app.wiring import open_catalog, open_store, retry_policy
        from archiver.jobs.fixity import Fixity, FixityTally

        if not (names or account or older_than is not None or everything):
            raise click.UsageError("say what to verify: IDs, --account NAME, --older-than D, or --all")
        config, tally = load_config(common), FixityTally()
        async with open_catalog(config) as catalog, open_store(config) as storage:
            selections = await _selections(catalog, names, account, older_than, is_kept=True)
            if config.storage.s3.verify == "checksum":
                await storage.probe()  # a store's checksums are believed only where it was seen to check them
            job = Fixity(
                custody=catalog,
                work=catalog,
                storage=storage,
                policy=retry_policy(config),
                lease=config.transfer.lease,
                concurrency=min(_READERS, config.transfer.concurrency),
                tally=tally,
            )
            interruption.grace, interruption.drain = config.transfer.shutdown_grace, job.drain
            is_quiet = common.as_json or config.log.format == "json"
            level = common.log_level or "warning"
            async with verify_progress(tally, lambda: configure(level, config.log.format), is_quiet=is_quiet):
                await job.run(selections)
        _show(tally, as_json=common.as_json)
        return 0 if tally.is_sound else 1

    run_command(common, body)


def _show(tally: "FixityTally", *, as_json: bool) -> None:
    from archiver.app.cli.output import print_json, stdout_console
    from archiver.model.units import format_size

    found = {"damaged": tally.damaged, "missing": tally.missing, "unreadable": tally.unreadable}
    if as_json:
        print_json({"checked": tally.checked, "ok": tally.ok, **found, "skipped": tally.skipped, "bytes": tally.bytes})
        return
    console = stdout_console()
    for word, names in found.items():
        for name in names:
            console.print(f"{word:<10}  {name}", markup=False, soft_wrap=True)
    console.print(f"{tally.ok:,} of {tally.checked:,} copies are sound; {format_size(tally.bytes)} read")
    if tally.skipped:
        console.print(f"{tally.skipped:,} were left out: another process is at work on them; verify them again later")
    if tally.damaged or tally.missing:
        console.print("the next `archiver backfill` fetches the others again, while the provider has them")


async def _selections(
    catalog: "Catalog",
    names: Sequence[str],
    account: str | None,
    older_than: timedelta | None,
    *,
    is_kept: bool = False,
) -> "list[Selection]":
    """The named recordings by account, or whole accounts, whether they are configured or not. ``is_kept``: only those
    count that have an object."""
    from archiver.app.naming import resolve
    from archiver.app.retrieval import key_of
    from archiver.jobs.fixity import Selection
    from archiver.model.account import AccountName
    from archiver.model.errors import ConfigError

    not_since = await catalog.now() - (older_than or timedelta(0))
    if names:
        rows: dict[AccountName, list[int]] = {}
        for name in names:
            record = await resolve(catalog, name)
            if is_kept:
                key_of(record)
            rows.setdefault(record.account, []).append(record.row)
        return [Selection(account=owner, not_since=not_since, rows=chosen) for owner, chosen in rows.items()]
    known = [status.account for status in await catalog.status()]
    if account is not None and account not in known:
        raise ConfigError(f"nothing is kept of an account {account!r}", fix=f"name one of: {', '.join(known) or '-'}")
    return [Selection(account=one, not_since=not_since) for one in known if account in {None, one}]


@click.command()
@common_options
@click.argument("names", metavar="[ID]...", nargs=-1)
@click.option("--account", metavar="NAME", help="Only of this account.")
def retry(common: Common, names: tuple[str, ...], account: str | None) -> None:
    """Make failed, damaged and waiting recordings due now; a suspect that is named is fetched once more.

    \b
    Example:
      archiver retry --account acme-india
    """

    async def body(interruption: Interruption) -> int:
        from archiver.app.cli.output import print_json
        from archiver.app.wiring import open_catalog

        async with open_catalog(load_config(common)) as catalog:
            selections = await _selections(catalog, names, account, None)
            counts = [await catalog.reopen(selection.account, selection.rows) for selection in selections]
        if common.as_json:
            print_json({"reopened": sum(counts)})
        else:
            click.echo(f"{sum(counts):,} recordings are due now; `archiver backfill` fetches them")
        return 0

    run_command(common, body)
