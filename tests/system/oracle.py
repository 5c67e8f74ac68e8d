"""The oracle: ledger, storage and catalog agree (O1 to O6 of the promises), whatever happened before.

A recording of the ledger is compared with its row and with the very bytes that lie in the storage; the sandbox, the
catalog and the files are three witnesses who know nothing of each other.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tests.system.stage import Answer, Stage

Row: TypeAlias = dict[str, Any]
Entry: TypeAlias = dict[str, Any]

OURS = ".archiver"


async def consult(stage: Stage, *, is_done: bool = True) -> list[Row]:
    """Compare everything; answers the catalog's recordings.

    ``is_done``: the last pass had no fault in front of it and was not stopped, so storage equals the provider (O5),
    nothing is half replaced and nothing is left over (O4).
    """
    listed = await stage.run("ls", "--json", "--all")
    assert listed.code == 0, listed.stderr
    rows: list[Row] = listed.lines
    kept = {(row["provider"], row["recording_id"]): row for row in rows}
    assert len(kept) == len(rows), "a recording has more than one row (O3)"
    shelf = Shelf.read(stage.storage)
    ledgers = await stage.ledgers()
    for provider, ledger in ledgers.items():
        for recording_id, entry in ledger["recordings"].items():
            recording = Recording(f"{provider} {recording_id}", entry, kept.pop((provider, recording_id), None), shelf)
            recording.check_kept()
            await _check_deletes(stage, recording)
            if is_done:
                recording.check_archived()
    strangers = [row for (provider, _), row in kept.items() if provider in ledgers and row["sha256"]]
    assert not strangers, f"{strangers[0]['recording_id']} is stored, and the provider never had it (O4)"
    _check_objects(rows, shelf, is_done=is_done)
    return rows


async def rests(stage: Stage) -> Answer:
    """Run one more pass and see that it leaves media, storage and remote copies alone (O6); answers what it said."""
    before, files = await stage.ledgers(), _footprint(stage.storage)
    answer = await stage.run("backfill", "--json")
    assert answer.stdout, answer.stderr
    written = dict(_footprint(stage.storage).items() ^ files.items())
    assert not written, f"a pass over an archived account wrote {sorted(written)} (O6)"
    for provider, ledger in (await stage.ledgers()).items():
        for recording_id, entry in ledger["recordings"].items():
            name, former = f"{provider} {recording_id}", before[provider]["recordings"].get(recording_id, {})
            assert entry["delete_requests"] == former.get("delete_requests", []), f"{name} was deleted (O6)"
            if _can_be_had(entry):
                assert entry["media_requests"] == former.get("media_requests", 0), f"{name} was fetched again (O6)"
    return answer


def leftovers(stage: Stage) -> list[str]:
    """Parts that nobody removed."""
    return [path.name for path in (stage.storage / OURS / "parts").glob("*.part")]


@dataclass(frozen=True)
class Shelf:
    """What lies in a storage: ``audio`` by key, ``aside`` in ``damaged/``, each as the digest of its bytes.

    ``parts`` are names.
    """

    audio: Mapping[str, str]
    sidecars: Mapping[str, Any]
    aside: frozenset[str]
    parts: tuple[str, ...]

    @classmethod
    def read(cls, root: Path) -> "Shelf":
        """Read all of it."""
        ours = root / OURS
        paths = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
        found = {key: path.read_bytes() for key, path in paths.items() if ours not in path.parents}
        return cls(
            audio={key: _digest(body) for key, body in found.items() if not key.endswith(".json")},
            sidecars={
                key.removesuffix(".json"): json.loads(body) for key, body in found.items() if key.endswith(".json")
            },
            aside=frozenset(_digest(path.read_bytes()) for path in paths.values() if ours / "damaged" in path.parents),
            parts=tuple(path.name for path in paths.values() if ours / "parts" in path.parents),
        )


@dataclass(frozen=True)
class Recording:
    """What the three witnesses say of one recording; ``row`` is None when the catalog does not know it."""

    name: str
    entry: Entry
    row: Row | None
    shelf: Shelf

    def check_kept(self) -> None:
        """It is at the provider, or its bytes are in storage; what we say of them is true (O1).

        What the provider removed by itself before we had it is nobody's any more.
        """
        if self.row is not None and self.row["sha256"]:
            assert self._is_right(self.row["sha256"]), f"{self.name}: other bytes than the provider's (O1)"
        is_ours = bool(self.entry["delete_requests"]) or bool(self.row and self.row["sha256"])
        if self.entry["listed"] and not self.entry["present"] and is_ours:
            assert self.row is not None, f"{self.name} was deleted, and the catalog does not know it (O1)"
            found = self.shelf.audio.get(self.row["key"], "")
            is_there = self._is_right(found) or (_may_be_replaced(self.row) and self.row["sha256"] in self.shelf.aside)
            assert is_there, f"{self.name} is neither at the provider nor in storage: {self.row['state']} (O1)"

    def check_archived(self) -> None:
        """Storage equals the provider (O5), as far as the recording can be had."""
        if not self.entry["present"]:
            return
        assert self.row is not None, f"{self.name} is not in the catalog (O5)"
        if _can_be_had(self.entry):
            assert self.row["state"] == "verified", f"{self.name} is {self.row['state']}: {self.row['error']} (O5)"

    def _is_right(self, digest: str) -> bool:
        """Whether these are the recording's bytes. Of a suspect nothing else than these was ever served."""
        served = {body["sha256"] for body in self.entry["served"]} if self.row and self.row["suspect"] else set()
        return digest in {self.entry["sha256"], *served}


async def _check_deletes(stage: Stage, recording: Recording) -> None:
    """Every delete came after storage held verified bytes, with nothing forbidding it (O2)."""
    row = recording.row
    for asked_at in recording.entry["delete_requests"]:
        assert row is not None, f"{recording.name} was to be deleted, and the catalog does not know it (O2)"
        assert not row["held"], f"{recording.name} was to be deleted although it is held (O2)"
        shown = (await stage.run("show", f"{row['account']}/{row['recording_id']}", "--json")).json
        before = [event for event in shown["history"] if event["at"] < asked_at]
        custody = [event for event in before if event["name"] in {"stored", "verified", "damaged"}]
        assert custody, f"{recording.name} was to be deleted before it was stored (O2)"
        assert custody[-1]["name"] == "verified", f"{recording.name} was to be deleted, {custody[-1]['name']} only (O2)"
        stored = next(event for event in reversed(custody) if event["name"] == "stored")
        assert not stored["facts"].get("suspect"), f"{recording.name} was to be deleted although it is suspect (O2)"


def _check_objects(rows: list[Row], shelf: Shelf, *, is_done: bool) -> None:
    """What lies under a published key is whole, told by the sidecar beside it and by the catalog; nothing else does."""
    by_key = {row["key"]: row for row in rows if row["key"]}
    for key, digest in shelf.audio.items():
        assert key in shelf.sidecars, f"{key}: no sidecar lies beside it (O4)"
        assert key.startswith(f"{shelf.sidecars[key]['account']}/")
        row = by_key.get(key)
        if row is not None and row["state"] == "damaged" and not is_done:
            continue  # nothing is promised of it: the catalog itself says so
        assert shelf.sidecars[key]["sha256"] == digest, f"{key}: the sidecar tells of other bytes (O4)"
        if row is None:
            assert not is_done, f"{key}: the catalog does not know what lies there (O4)"
        elif is_done or not _may_be_replaced(row):
            assert row["sha256"] == digest, f"{key}: the catalog tells of other bytes (O4)"
            assert row["size"] == shelf.sidecars[key]["size"], f"{key}: the catalog tells of another size (O4)"
    for key, row in by_key.items():
        is_between = not is_done and _may_be_replaced(row) and row["sha256"] in shelf.aside
        is_promised = row["state"] in {"stored", "verified"} and not is_between
        assert key in shelf.audio or not is_promised, f"{key}: the catalog knows an object that is not there (O4)"
    if is_done:
        lonely = shelf.sidecars.keys() - shelf.audio.keys()
        assert not lonely, f"sidecars lie without their audio: {sorted(lonely)} (O4)"
        assert not shelf.parts, f"a run left {shelf.parts} behind (O4)"


def _may_be_replaced(row: Row) -> bool:
    """Whether a pass that is stopped may leave other sound bytes under the key than the row knows, or none yet."""
    return row["state"] == "damaged" or row["suspect"] is not None


def _can_be_had(entry: Entry) -> bool:
    return all(entry[fact] is True for fact in ("present", "retrievable", "ready"))


def _footprint(root: Path) -> dict[str, tuple[int, int, int]]:
    """Inode, time of change and size of all that lies in a storage, folders included, but for what probes try out."""
    found = {}
    for path in root.rglob("*"):
        if root / OURS / "probe" not in (path, *path.parents):
            status = path.stat()
            found[path.relative_to(root).as_posix()] = (status.st_ino, status.st_mtime_ns, status.st_size)
    return found


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
