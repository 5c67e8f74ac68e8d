"""``archiver sandbox``: the sandbox providers, for rehearsals."""

from datetime import datetime
from pathlib import Path
from typing import Final

import click

from archiver.app.cli.running import Common, common_options, run_command
from archiver.app.signals import Interruption

PROVIDERS: Final = ("vobiz", "vonage_vbc", "kazoo")

_COMMON_PARAMETERS: Final = """
Every fault takes these:
  share=0.1     of the recordings, pages or single requests that it can strike; the seed picks which
  times=1       so often each of them, then no more; 0 is for ever
  after=0       leaves so many requests for each recording, or of each listing, alone at first
  first=0       strikes only among the first so many of them; 0 is all
  provider=any  only this one of those that are served
  on=list+media only these endpoints: media, store (media that was redirected), list, retrieve, login, delete, auth_me
"""


def _read_faults(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """The orders as they were given, once each of them can be read. Raises: BadParameter."""
    if texts:
        from archiver.sandbox.faults.orders import parse_order

        for text in texts:
            try:
                parse_order(text)
            except ValueError as error:
                raise click.BadParameter(f"{error}. See --list-faults.") from None
    return texts


@click.command()
@common_options
@click.option(
    "--provider",
    "providers",
    type=click.Choice(PROVIDERS),
    multiple=True,
    default=PROVIDERS[:1],
    show_default=True,
    help="Serve this one; may be repeated.",
)
@click.option("--seed", default=1, show_default=True, help="The same seed serves the same recordings.")
@click.option("--recordings", default=300, show_default=True, help="How many recordings each provider has.")
@click.option("--anchor", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="The newest moment; default now.")
@click.option("--page-cap", default=50, show_default=True, help="The largest page that is served.")
@click.option("--late-arrivals", default=5, show_default=True, help="So many appear only while the listing is read.")
@click.option("--audio-seconds", type=float, metavar="S", help="Give every recording this length.")
@click.option("--vbc-page-base", type=click.IntRange(0, 1), default=1, show_default=True, help="VBC's first page.")
@click.option("--vbc-quota", default=60_000, show_default=True, help="What a VBC token may ask in a minute.")
@click.option("--kazoo-straddlers", default=2, show_default=True, help="Defective ones at each change of month.")
@click.option(
    "--kazoo-late-media", default=3, show_default=True, help="So many are listed before their audio is there."
)
@click.option(
    "--fault", "faults", multiple=True, metavar="SPEC", callback=_read_faults, help="NAME or NAME:key=value,…; repeat."
)
@click.option("--list-faults", is_flag=True, help="Say what can go wrong, and what may be set about it.")
@click.option("--write-config", type=click.Path(path_type=Path), metavar="FILE", help="Write a configuration for it.")
def sandbox(
    common: Common,
    providers: tuple[str, ...],
    seed: int,
    recordings: int,
    anchor: datetime | None,
    page_cap: int,
    late_arrivals: int,
    audio_seconds: float | None,
    vbc_page_base: int,
    vbc_quota: int,
    kazoo_straddlers: int,
    kazoo_late_media: int,
    faults: tuple[str, ...],
    list_faults: bool,
    write_config: Path | None,
) -> None:
    """Serve providers to rehearse with, on loopback, until Ctrl-C.

    When everything answers, one JSON line on stdout says where: urls, ledger (what was served and asked) and control.

    A fault strikes the share of recordings, pages or requests that the seed picks, so many times each, then behaves;
    the same seed strikes the same ones. POST {"faults": ["NAME:…"]} or {"clear_faults": true} to control while it runs.

    \b
    Example:
      archiver sandbox --recordings 50 --write-config sandbox.toml
      archiver sandbox --fault cut:share=0.3 --fault html:share=1,times=0,provider=vobiz
      archiver backfill --config sandbox.toml
    """
    if list_faults:
        _print_faults(as_json=common.as_json)
        return

    async def body(interruption: Interruption) -> int:
        from archiver.sandbox.options import KazooOptions, SandboxOptions, VbcOptions
        from archiver.sandbox.server import run

        length = (audio_seconds, audio_seconds) if audio_seconds else None
        options = SandboxOptions(
            providers=providers,
            seed=seed,
            recordings=recordings,
            anchor=anchor,
            page_cap=page_cap,
            late_arrivals=late_arrivals,
            audio_seconds=length,
            faults=faults,
            vbc=VbcOptions(page_base=vbc_page_base, quota_per_min=vbc_quota),
            kazoo=KazooOptions(straddlers=kazoo_straddlers, late_media=kazoo_late_media),
        )
        await run(options, click.echo, write_config)
        return 0

    run_command(common, body)


def _print_faults(*, as_json: bool) -> None:
    """All faults on stdout: a table, or one JSON object a line."""
    from archiver.app.cli.output import plain_table, print_json, stdout_console
    from archiver.sandbox.faults.table import FAULTS, describe

    if as_json:
        for fault in FAULTS.values():
            print_json(describe(fault))
        return
    table = plain_table("fault", "strikes", "parameters, defaults first", "what it does, and the promise it threatens")
    for column in table.columns[2:]:
        column.no_wrap = False
    for fault in FAULTS.values():
        has_more = len(fault.places) > len(fault.strikes)
        places = "+".join(fault.strikes) + " (or on others)" * has_more
        settings = " ".join(f"{parameter.name}={parameter.offered}" for parameter in fault.own_parameters)
        only = "" if fault.providers == PROVIDERS else f" Only at {', '.join(fault.providers)}."
        table.add_row(fault.name, places, settings, fault.help + only)
    console = stdout_console()
    console.print(table)
    console.print(_COMMON_PARAMETERS, markup=False)
