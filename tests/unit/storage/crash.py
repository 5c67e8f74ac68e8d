"""Publishes in processes that are killed before their 1st, 2nd, 3rd … step on the file system, and looks at the rest.

Run as a program: ``crash.py FOLDER`` prints one JSON object with the number of kills and what was found wrong.
It forks, so it must not share a process with threads.
"""

import hashlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from archiver.model.errors import KeyTaken
from archiver.model.objects import Body, Digest, Key
from archiver.model.recording import LeaseId
from archiver.ports.storage import Publication
from archiver.storage.files import Folders
from archiver.storage.layout import Layout
from archiver.storage.publishing import Publisher

KEY = Key("acme/2026/rec.wav")
OLD, NEW = b"RIFFold" * 999, b"RIFFnew" * 1001
OLD_SIDECAR, NEW_SIDECAR = b'{"sha256": "old"}', b'{"sha256": "new"}'
STEPS = frozenset({"open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.chmod"})


@dataclass(frozen=True)
class Scenario:
    """What lies under the key before, and whether the publication may replace it."""

    name: str
    audio: bytes | None = None
    sidecar: bytes | None = None
    replaces: bool = False


SCENARIOS = (
    Scenario("fresh"),
    Scenario("leftover sidecar", sidecar=OLD_SIDECAR),
    Scenario("adopted", audio=NEW, sidecar=NEW_SIDECAR),
    Scenario("adopted without sidecar", audio=NEW),
    Scenario("replaced", audio=OLD, sidecar=OLD_SIDECAR, replaces=True),
    Scenario("taken", audio=OLD, sidecar=OLD_SIDECAR),
)


def digest(content: bytes) -> Digest:
    """The SHA-256."""
    return Digest(hashlib.sha256(content).digest())


def publish(root: Path, scenario: Scenario, lease: int) -> None:
    """Publish the new pair, in this process."""
    layout = Layout(root)
    publication = Publication(
        key=KEY,
        body=Body(content=NEW, digest=digest(NEW), size_bytes=len(NEW)),
        sidecar=NEW_SIDECAR,
        lease=LeaseId(UUID(int=lease)),
        replaces=digest(OLD) if scenario.replaces else None,
    )
    try:
        Publisher(layout, Folders(root, 0o750), 0o640).publish(publication)
    except KeyTaken:
        assert scenario.name == "taken"


def prepare(root: Path, scenario: Scenario) -> None:
    """Lay the folders out and put there what the scenario begins with."""
    layout = Layout(root)
    for folder in (layout.parts, layout.damaged, (root / KEY).parent):
        folder.mkdir(parents=True)
    if scenario.audio is not None:
        (root / KEY).write_bytes(scenario.audio)
    if scenario.sidecar is not None:
        (root / f"{KEY}.json").write_bytes(scenario.sidecar)


def is_killed(root: Path, scenario: Scenario, step: int) -> bool:
    """Publish in a child that is killed before its given step; answers whether it came to that."""
    child = os.fork()
    if child == 0:
        left = step

        def kill(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event in STEPS and str(arguments[0]).startswith(str(root)):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)
        publish(root, scenario, step)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def wrong_after_crash(root: Path, scenario: Scenario) -> Iterator[str]:
    """O4 and R1, right after the kill."""
    audio = content_of(root / KEY)
    if audio not in {None, NEW, OLD}:
        yield "the object is not whole"
    if audio not in {None, scenario.audio} and content_of(root / f"{KEY}.json") != NEW_SIDECAR:
        yield "the new audio lacks its sidecar"
    if scenario.audio == OLD and OLD not in {audio, *contents(Layout(root).damaged)}:
        yield "the old bytes are lost"
    if scenario.name == "taken" and (audio, content_of(root / f"{KEY}.json")) != (OLD, OLD_SIDECAR):
        yield "the old pair was touched"


def wrong_after_repeat(root: Path, scenario: Scenario) -> Iterator[str]:
    """What the repeat must come to, whatever the kill left."""
    pair = (content_of(root / KEY), content_of(root / f"{KEY}.json"))
    aside = contents(Layout(root).damaged)
    if pair != ((OLD, OLD_SIDECAR) if scenario.name == "taken" else (NEW, NEW_SIDECAR)):
        yield "the repeat did not converge"
    if scenario.replaces and aside != sorted([OLD, OLD_SIDECAR]):
        yield f"aside lie {len(aside)} files instead of the old pair"
    if scenario.name == "taken" and aside != sorted([NEW, NEW_SIDECAR]):
        yield f"aside lie {len(aside)} files instead of the new pair"


def content_of(path: Path) -> bytes | None:
    """A file's bytes, or None."""
    return path.read_bytes() if path.exists() else None


def contents(folder: Path) -> list[bytes]:
    """The bytes of all files below a folder."""
    return sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def main(folder: Path) -> None:
    """Kill every scenario at every step. Without syncs, which a kill does not ask about: they cost most of the time."""
    os.fsync = lambda fd: None
    kills: dict[str, int] = {}
    wrong: list[str] = []
    for scenario in SCENARIOS:
        for step in range(1, 100):
            root = folder / scenario.name / str(step)
            prepare(root, scenario)
            killed = is_killed(root, scenario, step)
            found = list(wrong_after_crash(root, scenario))
            publish(root, scenario, 1000)
            found += wrong_after_repeat(root, scenario)
            wrong += [f"{scenario.name}, step {step}: {what}" for what in found]
            if not killed:
                break
            kills[scenario.name] = step
    sys.stdout.write(json.dumps({"kills": kills, "wrong": wrong}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
