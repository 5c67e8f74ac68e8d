"""``archiver status``, ``ls`` and ``migrate``: the catalog as people and scripts read it."""

from datetime import datetime

import click

from archiver.app.cli.parameters import WHEN, in_utc
from archiver.app.cli.running import Common, common_options, load_config, run_command
from archiver.app.signals import Interruption
from archiver.model.recording import State


@click.command()
@common_options
@click.option("--ready", is_flag=True, help="Only answer by exit code: 0 ready, 1 not.")
def status(common: Common, ready: bool) -> None:
    """Say per account how far the archive is: states, backlog, last walks, next expiry.

    \b
    Example:
      archiver status
    """

    async def body(interruption: Interruption) -> int:
        from archiver.app.cli.show import show_status, status_json
        from archiver.app.ops.readiness import freshness
        from archiver.app.wiring import open_catalog

        config = load_config(common)
        async with open_catalog(config) as catalog:
            accounts = await catalog.status()
            enabled = {one.account.name for one in config.accounts if one.account.enabled}
            active = [status for status in accounts if status.account in enabled]
            if ready:
                now = await catalog.now()
                is_walked = len(active) == len(enabled) and all(status.walks for status in active)
                is_fresh = not any(list(freshness(status, config.ops, now)) for status in active)
                return 0 if active and is_walked and is_fresh else 1
            configured = {account.account.name for account in config.accounts}
            if common.as_json:
                status_json(accounts)
            else:
                show_status(accounts, configured)
        return 0

    run_command(common, body)


@click.command()
@common_options
@click.option("--account", help="Only this account.")
@click.option("--state", type=click.Choice([state.value for state in State]), help="Only this state.")
@click.option("--suspect", is_flag=True, help="Only those whose bytes may not be the call.")
@click.option("--held", is_flag=True, help="Only those under a legal hold.")
@click.option("--since", type=WHEN, metavar="T", help="Started at or after this time (UTC).")
@click.option("--until", type=WHEN, metavar="T", help="Started at or before this time (UTC).")
@click.option("--number", metavar="N", help="With this number on either side; its last six digits are enough.")
@click.option("--limit", default=100, show_default=True, help="How many at most.")
@click.option("--all", "show_all", is_flag=True, help="Lift the limit.")
def ls(common: Common, since: datetime | None, until: datetime | None, **chosen: object) -> None:
    """List recordings of the catalog, the latest first.

    \b
    Example:
      archiver ls --number 9180713 --since 2026-11-01
    """

    async def body(interruption: Interruption) -> int:
        from archiver.app.cli.show import query_of, show_records
        from archiver.app.wiring import open_catalog
        from archiver.model.listing import Window

        query = query_of(Window(in_utc(since), in_utc(until)), chosen)
        async with open_catalog(load_config(common)) as catalog:
            await show_records(catalog.find(query), as_json=common.as_json)
        return 0

    run_command(common, body)


@click.command()
@common_options
def migrate(common: Common) -> None:
    """Bring the catalog's schema up to date.

    \b
    Example:
      archiver migrate --config /etc/archiver/config.toml
    """

    async def body(interruption: Interruption) -> int:
        from archiver.app.cli.output import print_json
        from archiver.app.wiring import migrate_catalog

        applied = await migrate_catalog(load_config(common))
        if common.as_json:
            print_json({"applied": applied})
        elif applied:
            click.echo("applied " + ", ".join(applied))
        else:
            click.echo("the catalog is up to date")
        return 0

    run_command(common, body)
