"""``archiver backfill`` and ``archiver demo``: one pass over everything, watched from the terminal."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.app.cli.parameters import WHEN, DurationType, in_utc
from archiver.app.cli.running import Common, common_options, load_config, run_command
from archiver.app.signals import Interruption

if TYPE_CHECKING:
    from archiver.app.config.load import Config
    from archiver.app.summary import Summary
    from archiver.pipeline.passes import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What the command line asked for."""

    accounts: tuple[str, ...] = ()
    is_dry_run: bool = False


@click.command()
@common_options
@click.option("--account", "accounts", multiple=True, help="Only this account; may be repeated.")
@click.option("--since", type=WHEN, metavar="T", help="Only what started at or after this time (UTC).")
@click.option("--until", type=WHEN, metavar="T", help="Only what started at or before this time (UTC).")
@click.option("--dry-run", is_flag=True, help="Walk and say what would be done; change nothing.")
@click.option("--no-download", is_flag=True, help="Only walk and record.")
@click.option("--wait", type=DurationType(), default="0", help="Go on for what falls due within this time.")
def backfill(
    common: Common,
    accounts: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    dry_run: bool,
    no_download: bool,
    wait: timedelta,
) -> None:
    """Walk every account to its end once, fetch all that is missing, verify it, and say what came of it.

    \b
    Example:
      archiver backfill --account acme-india --since 2026-11-01
    """

    async def body(interruption: Interruption) -> int:
        from archiver.app.cli.report import show_summary
        from archiver.model.listing import Window
        from archiver.pipeline.passes import Scope

        config = load_config(common)
        window = Window(in_utc(since), in_utc(until))
        scope = Scope(window=window, wait=wait, fetches=not (no_download or dry_run))
        summary = await run_backfill(common, config, scope, Chosen(accounts=accounts, is_dry_run=dry_run), interruption)
        show_summary(summary, config, as_json=common.as_json)
        return summary.exit_code

    run_command(common, body)


@click.command()
@common_options
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path), default="archiver-demo", help="Where everything lies."
)
def demo(common: Common, folder: Path) -> None:
    """Archive the sandbox providers with an embedded catalog into a folder, and say where everything lies.

    Again: nothing is fetched twice.

    \b
    Example:
      archiver demo
    """

    async def body(interruption: Interruption) -> int:
        from archiver.app.cli.report import show_proof, show_summary
        from archiver.app.demo import rehearsal
        from archiver.app.wiring import open_catalog
        from archiver.pipeline.passes import Scope
        from archiver.ports.catalog import Query

        async with rehearsal(folder) as ready:
            config = load_config(Common(ready.config, common.log_level or "warning", common.as_json))
            summary = await run_backfill(common, config, Scope(), Chosen(), interruption)
            async with open_catalog(config) as catalog:
                proof = await ready.prove(catalog.find(Query(limit=None)))
        show_summary(summary, config, as_json=common.as_json)
        if not common.as_json:
            show_proof(proof, ready.config)
        return summary.exit_code or int(proof.equal < proof.expected)

    run_command(common, body)


async def run_backfill(
    common: Common, config: "Config", scope: "Scope", chosen: Chosen, interruption: Interruption
) -> "Summary":
    """Open everything, run the backfill under a progress line, close everything."""
    from archiver.app.backfill import Backfill
    from archiver.app.cli.progress import backfill_progress
    from archiver.app.dry_run import rehearse
    from archiver.app.logs import configure
    from archiver.app.wiring import Shared, choose, open_accounts, open_archive
    from archiver.pipeline.tally import Tally

    level = common.log_level or "warning"  # beside a moving line, a line per recording would only be in the way
    interruption.grace = config.transfer.shutdown_grace
    tallies = {one.account.name: Tally() for one in choose(config, chosen.accounts)}
    is_quiet = common.as_json or config.log.format == "json"
    async with backfill_progress(tallies, lambda: configure(level, config.log.format), is_quiet=is_quiet):
        if chosen.is_dry_run:  # it leaves no trace in the catalog, so its pace is its own
            async with open_accounts(config, chosen.accounts) as accounts:
                return await rehearse(config, accounts, scope.window, tallies)
        async with open_archive(config) as archive:
            shared = Shared(budgets=archive.catalog)
            async with open_accounts(config, chosen.accounts, shared) as accounts:
                run = Backfill(archive=archive, accounts=accounts, scope=scope, tallies=tallies)
                return await run.run(interruption)
