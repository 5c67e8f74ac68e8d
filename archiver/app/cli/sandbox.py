"""``archiver sandbox``: the sandbox providers, for rehearsals."""

from datetime import datetime
from pathlib import Path
from typing import Final

import click

from archiver.app.cli.running import Common, common_options, run_command
from archiver.app.signals import Interruption

PROVIDERS: Final = ("vobiz", "vonage_vbc", "kazoo")


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
    write_config: Path | None,
) -> None:
    """Serve providers to rehearse with, on loopback, until Ctrl-C.

    When everything answers, one JSON line on stdout says where: urls, ledger (what was served and asked) and control.

    \b
    Example:
      archiver sandbox --recordings 50 --write-config sandbox.toml
      archiver backfill --config sandbox.toml
    """

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
            vbc=VbcOptions(page_base=vbc_page_base, quota_per_min=vbc_quota),
            kazoo=KazooOptions(straddlers=kazoo_straddlers, late_media=kazoo_late_media),
        )
        await run(options, click.echo, write_config)
        return 0

    run_command(common, body)
