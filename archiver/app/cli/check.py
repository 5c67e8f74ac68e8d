"""``archiver check``: one line for each look, what is wrong with its fix below it, and a last line that sums up."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.app.cli.running import Common, common_options, load_config, run_command
from archiver.app.signals import Interruption

if TYPE_CHECKING:
    from rich.table import Table

    from archiver.app.check import Finding
    from archiver.app.config.load import Config


@click.command()
@common_options
@click.option("--offline", is_flag=True, help="Open no connection and write nothing.")
def check(common: Common, offline: bool) -> None:
    """Say what is wrong with the configuration, the catalog, the storage and every account, and how to fix it.

    The storage is written to and read back; each account is asked for one page of its listing.

    \b
    Example:
      archiver check --offline && archiver check
    """

    async def body(interruption: Interruption) -> int:
        from archiver.app.check import Check, configuration_problems, exit_code
        from archiver.app.cli.output import print_json
        from archiver.app.logs import configure
        from archiver.model.errors import ConfigError

        try:
            config = load_config(common)
        except ConfigError as error:
            findings = configuration_problems(error)
            screen = Screen([finding.where for finding in findings], is_quiet=common.as_json)
            for finding in findings:
                screen.show(finding)
            untried = "everything else, until the configuration is right"
        else:
            configure(common.log_level or "warning", config.log.format)
            one = Check(config=config, is_offline=offline)
            screen = Screen(one.wheres, is_quiet=common.as_json)
            screen.show(_configuration(config, common.config))
            findings = await one.run(screen.show)
            untried = "asking the catalog and the accounts, writing to the storage" if offline else ""
        if common.as_json:
            print_json(_as_json(findings))
        screen.sum_up(findings, untried)
        return exit_code(findings)

    run_command(common, body)


class Screen:
    """Shows findings as they come: in columns on a terminal, else in plain words, each on a line of its own."""

    def __init__(self, wheres: Iterable[str], *, is_quiet: bool) -> None:
        from archiver.app.cli.output import stdout_console

        self._console = stdout_console()
        self._console.quiet = is_quiet
        self._width = max(map(len, wheres))

    def show(self, finding: "Finding") -> None:
        """Show one finding, its fix below it."""
        fix = f"fix: {finding.fix}" if finding.trouble else ""
        if self._console.is_terminal:
            self._console.print(self._columns(finding, fix))
            return
        mark = "problem" if finding.trouble else "ok     "
        lines = [f"{mark}  {finding.where:{self._width}}  {finding.message}"]
        lines += [f"{'':7}  {'':{self._width}}  {fix}"] if fix else []
        for line in lines:
            self._console.print(line, markup=False, soft_wrap=True)

    def _columns(self, finding: "Finding", fix: str) -> "Table":
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        grid.add_column()
        grid.add_column(width=min(self._width, self._console.width // 2), overflow="fold")
        grid.add_column(overflow="fold")
        mark = Text("✗", "bold red") if finding.trouble else Text("✓", "green")
        grid.add_row(mark, Text(finding.where), Text(finding.message))
        if fix:
            grid.add_row("", "", Text(fix, "bold"))
        return grid

    def sum_up(self, findings: "Sequence[Finding]", untried: str) -> None:
        """Say in a line what all of it came to, and in another what was not tried."""
        count = sum(finding.trouble is not None for finding in findings)
        words = f"{count} problem{'s' if count > 1 else ''}" if count else "everything is in order"
        self._console.print(f"\n{words}", style="bold red" if count else "bold green")
        if untried:
            self._console.print(f"not tried: {untried}", soft_wrap=True)


def _configuration(config: "Config", option: Path | None) -> "Finding":
    from archiver.app.check import CONFIGURATION, Finding
    from archiver.app.config.load import find_config

    count, off = len(config.accounts), sum(not one.account.enabled for one in config.accounts)
    accounts = f"{count} account{'s' if count > 1 else ''}" + (f", {off} of them not enabled" if off else "")
    return Finding(where=CONFIGURATION, message=f"{find_config(option, os.environ, Path.cwd())}: {accounts}")


def _as_json(findings: "Sequence[Finding]") -> dict[str, object]:
    problems = [
        {"where": finding.where, "message": finding.message, "fix": finding.fix}
        for finding in findings
        if finding.trouble
    ]
    return {"ok": not problems, "problems": problems}
