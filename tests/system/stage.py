"""A stage for the installed command: a sandbox in front of it, a database and a folder of its own."""

import asyncio
import json
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.system.warm import Order, Process, start

PROGRAM = str(Path(sys.executable).with_name("archiver"))
ACCOUNT = "sandbox-vobiz"
WITHIN_S = 60
"""No command of these tests takes longer, however loaded the machine is."""


@dataclass(frozen=True)
class Answer:
    """What a command said, and how it ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Its one JSON object."""
        return json.loads(self.stdout)

    @property
    def lines(self) -> list[Any]:
        """Its JSON objects, one a line."""
        return [json.loads(line) for line in self.stdout.splitlines()]


@dataclass
class Stage:
    """Where a test plays. ``ready`` is the sandbox's ready line; no command takes longer than ``within_s``."""

    folder: Path
    ready: dict[str, Any]
    within_s: float = WITHIN_S

    @property
    def config(self) -> Path:
        """The configuration that archives the sandbox here."""
        return self.folder / "config.toml"

    @property
    def storage(self) -> Path:
        """The root of the storage."""
        return self.folder / "var" / "recordings"

    def amend(self, text: str = "", **changes: str) -> None:
        """Append ``text`` to the configuration, and set keys of the account to TOML values."""
        lines = [line for line in self.config.read_text().splitlines() if line.split(" = ")[0] not in changes]
        place = lines.index(f"[accounts.{ACCOUNT}]") + 1
        lines[place:place] = [f"{key} = {value}" for key, value in changes.items()]
        self.config.write_text("\n".join([*lines, text, ""]))

    async def start(self, *words: str) -> Process:
        """Start a command without waiting for it."""
        return await start(Order(words=(*words, "--config", str(self.config)), folder=self.folder))

    async def run(self, *words: str) -> Answer:
        """Run a command to its end."""
        return await ended(await self.start(*words), self.within_s)

    async def ledgers(self) -> dict[str, Any]:
        """What the sandbox served and was asked, by provider."""
        document = await asyncio.to_thread(_get, self.ready["ledger"])
        parts: dict[str, Any] = document["providers"]
        return parts

    async def ledger(self) -> dict[str, Any]:
        """What the provider of a stage with only one served and was asked."""
        (part,) = (await self.ledgers()).values()
        return dict(part)

    async def control(self, **verbs: Any) -> None:
        """Make something happen at the provider."""
        await asyncio.to_thread(_post, self.ready["control"], verbs)

    async def media_requests(self) -> int:
        """How often media was asked for."""
        return int((await self.ledger())["requests"]["media"])

    async def until_served(self, count: int) -> None:
        """Return when the sandbox has served so many bodies."""
        async with asyncio.timeout(WITHIN_S):
            while sum(bool(recording["served"]) for recording in (await self.ledger())["recordings"].values()) < count:
                await asyncio.sleep(0.05)


async def ended(process: Process, within_s: float = WITHIN_S) -> Answer:
    """The answer of a process, once it has ended."""
    try:
        stdout, stderr = await asyncio.wait_for(process.communicate(), within_s)
    except TimeoutError:
        process.kill()
        raise
    return Answer(code=process.returncode or 0, stdout=stdout.decode(), stderr=stderr.decode())


@asynccontextmanager
async def staged(folder: Path, dsn: str, *options: str) -> AsyncIterator[Stage]:
    """A sandbox of this test's own, and a configuration for it with a catalog at ``dsn``."""
    config = folder / "config.toml"
    process = await start(Order(words=("sandbox", "--write-config", str(config), *options), folder=folder))
    try:
        assert process.stdout is not None
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), WITHIN_S))
        config.write_text(config.read_text().replace("embedded:./var/catalog", dsn))
        yield Stage(folder=folder, ready=ready)
    finally:
        process.kill()
        await process.wait()


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=WITHIN_S) as answer:
        return json.load(answer)


def _post(url: str, document: dict[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(document).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:
        return json.load(answer)
