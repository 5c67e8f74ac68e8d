"""The command ``archiver``. Everything heavy is imported inside the commands, so ``--help`` answers at once."""

import importlib
import json
import sys
from typing import Any, Final

import click

_COMMANDS: Final = {
    "demo": ("archiver.app.cli.archive", "Try it: sandbox providers, catalog and storage, all embedded."),
    "backfill": ("archiver.app.cli.archive", "Walk every account once and fetch all that is missing."),
    "run": ("archiver.app.cli.daemon", "Archive on schedule, for as long as nobody stops it."),
    "status": ("archiver.app.cli.catalog", "Say per account how far the archive is."),
    "ls": ("archiver.app.cli.catalog", "List recordings of the catalog."),
    "show": ("archiver.app.cli.recordings", "Show all that is known of a recording, with its history."),
    "get": ("archiver.app.cli.recordings", "Bring the audio out of storage, its digest checked."),
    "verify": ("archiver.app.cli.recordings", "Read stored copies back and compare."),
    "retry": ("archiver.app.cli.recordings", "Make failed, damaged and waiting recordings due now."),
    "check": ("archiver.app.cli.check", "Say what is wrong anywhere, and how to fix it."),
    "migrate": ("archiver.app.cli.catalog", "Bring the catalog's schema up to date."),
    "sandbox": ("archiver.app.cli.sandbox", "Serve providers to rehearse with."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order in which a newcomer meets them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; unknown names are answered by click."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        command = getattr(module, cmd_name)
        return command if isinstance(command, click.Command) else None

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command line. With ``--json`` a usage error is one JSON object, like every other error."""
        try:
            return super().main(*args, **{**options, "standalone_mode": False})
        except click.UsageError as error:
            if "--json" not in sys.argv:
                error.show()
            else:
                click.echo(json.dumps({"error": {"code": "usage", "message": error.format_message()}}))
            raise SystemExit(error.exit_code) from None
        except click.Abort:
            raise SystemExit(130) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="recording-archiver", prog_name="archiver")
def main() -> None:
    """Keep every call recording of your telephony providers: fetched once, proven, and yours for years.

    \b
    Try it without any account:      archiver demo
    With a configuration file:       archiver backfill --config config.toml
    """


if __name__ == "__main__":
    main()
