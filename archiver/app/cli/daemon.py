"""``archiver run``: the daemon."""

import os
from typing import TYPE_CHECKING

import click

from archiver.app.cli.running import Common, common_options, load_config, run_command
from archiver.app.signals import Interruption

if TYPE_CHECKING:
    from archiver.app.config.load import Config


@click.command()
@common_options
def run(common: Common) -> None:
    """Archive on schedule, for as long as nobody stops it: SIGTERM drains, a second one aborts, SIGHUP reloads.

    Any number of these, on any number of hosts, share one catalog and one storage.

    \b
    Example:
      archiver run --config /etc/archiver/config.toml
    """

    async def body(interruption: Interruption) -> int:
        from archiver.app.daemon.processes import WORKER
        from archiver.app.daemon.service import serve, serve_worker

        def reread() -> "Config":
            from archiver.app.config.load import load

            return load(common.config, os.environ)

        config = load_config(common)
        await (serve_worker if WORKER in os.environ else serve)(config, reread, interruption)
        return 0

    run_command(common, body, is_service=True)
