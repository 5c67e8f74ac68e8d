"""``archiver demo``: the sandbox in a process of its own, and the configuration that archives it."""

import asyncio
import json
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from archiver.model.errors import ArchiverError
from archiver.model.recording import State
from archiver.ports.catalog import Record

RECORDINGS: Final = 200
"""Of each provider."""

PROVIDERS: Final = ("vobiz", "vonage_vbc", "kazoo")
_READY_WITHIN_S: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the sandbox's own ledger says about the archive.

    ``served`` recordings were handed out by this sandbox since it started; of the ``expected`` ones that it has,
    ``equal`` are verified here with the digest of the bytes that it serves.
    """

    served: int
    expected: int
    equal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A running sandbox and the configuration file that was written for it."""

    config: Path
    ledger_url: str

    async def prove(self, records: AsyncIterator[Record]) -> Proof:
        """Compare the catalog's verified recordings with the sandbox's ledger."""
        ledger = await asyncio.to_thread(_fetch, self.ledger_url)
        verified = {
            (record.provider, record.listed.recording_id): record.digest.hex()
            async for record in records
            if record.state is State.VERIFIED and record.digest
        }
        kept = {
            (name, recording_id): recording
            for name, provider in ledger["providers"].items()
            for recording_id, recording in provider["recordings"].items()
        }
        return Proof(
            served=sum(bool(recording["served"]) for recording in kept.values()),
            expected=len(kept),
            equal=sum(verified.get(name) == recording["sha256"] for name, recording in kept.items()),
        )


@asynccontextmanager
async def rehearsal(folder: Path) -> AsyncIterator[Rehearsal]:
    """Serve the sandbox while the context is open, with the same recordings as the last time in this folder.

    Raises: ArchiverError when the sandbox does not come up.
    """
    config = folder / "config.toml"
    process = await asyncio.create_subprocess_exec(
        *_command(_anchor(folder), config),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is ours to answer: the sandbox must outlive the drain
    )
    try:
        ready = await _ready(process)
        yield Rehearsal(config=config, ledger_url=ready["ledger"])
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(process: asyncio.subprocess.Process) -> dict[str, Any]:
    if process.stdout is None:
        raise RuntimeError("the sandbox was started without a pipe")
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _READY_WITHIN_S)
    except TimeoutError:
        line = b""
    if not line:
        raise ArchiverError("the sandbox did not come up", fix="run `archiver sandbox` to see why")
    ready: dict[str, Any] = json.loads(line)
    return ready


def _fetch(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=_READY_WITHIN_S) as answer:  # noqa: S310  our own sandbox's address
        document: dict[str, Any] = json.load(answer)
    return document


def _command(anchor: str, config: Path) -> list[str]:
    """The sandbox with every provider. Left out are recordings that a provider lists and cannot serve, or not yet."""
    options = ["--recordings", str(RECORDINGS), "--anchor", anchor, "--write-config", str(config)]
    options += [word for name in PROVIDERS for word in ("--provider", name)]
    options += ["--page-cap", "20", "--kazoo-straddlers", "1", "--kazoo-late-media", "0"]
    return [sys.executable, "-m", "archiver.app.cli.main", "sandbox", *options]


def _anchor(folder: Path) -> str:
    """The newest moment of the sandbox's recordings, kept between runs so that they stay the same."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sandbox.json"
    if path.exists():
        return str(json.loads(path.read_text(encoding="utf-8"))["anchor"])
    anchor = datetime.now(UTC).isoformat(timespec="seconds")
    path.write_text(json.dumps({"anchor": anchor}) + "\n", encoding="utf-8")
    return anchor
