"""The oracle: ledger, catalog and storage agree (O1 to O4 of the promises), whatever happened before."""

import hashlib
import json
from typing import Any

from tests.system.stage import Stage


async def consult(stage: Stage, *, is_done: bool = True) -> list[dict[str, Any]]:
    """Compare everything; answers the catalog's recordings.

    ``is_done``: the last pass had no fault in front of it, so storage equals the provider (O5).
    """
    rows = (await stage.run("ls", "--json", "--all")).lines
    kept = {(row["provider"], row["recording_id"]): row for row in rows}
    assert len(kept) == len(rows), "a recording has more than one row (O3)"
    _check_files(stage, rows)
    for provider, ledger in (await stage.ledgers()).items():
        for recording_id, recording in ledger["recordings"].items():
            name, row = f"{provider} {recording_id}", kept.get((provider, recording_id))
            if is_done:
                assert row is not None, f"{name} is not in the catalog (O5)"
                if recording.get("retrievable", True) and recording.get("ready", True):
                    assert row["state"] == "verified", f"{name} is {row['state']}: {row['error']} (O5)"
            if row is not None and row["sha256"]:
                assert row["sha256"] == recording["sha256"], f"{name}: other bytes than the provider's (O1)"
    return rows


def _check_files(stage: Stage, rows: list[dict[str, Any]]) -> None:
    """Whatever lies under a published key is whole and equals the catalog's digest; nothing else lies there (O4)."""
    by_key = {row["key"]: row for row in rows if row["key"]}
    found = {
        path.relative_to(stage.storage).as_posix(): path
        for path in stage.storage.rglob("*")
        if path.is_file() and ".archiver" not in path.parts
    }
    audio = {key: path for key, path in found.items() if not key.endswith(".json")}
    for key, path in audio.items():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        sidecar = json.loads(found[f"{key}.json"].read_bytes())
        assert sidecar["sha256"] == digest, f"{key}: the sidecar tells of other bytes"
        assert key.startswith(f"{sidecar['account']}/")
        if key in by_key:
            assert by_key[key]["sha256"] == digest, f"{key}: the catalog tells of other bytes (O4)"
            assert by_key[key]["size"] == path.stat().st_size
    missing = {row["key"] for row in rows if row["state"] in {"stored", "verified"}} - audio.keys()
    assert not missing, f"the catalog knows objects that are not there: {missing} (O4)"


def leftovers(stage: Stage) -> list[str]:
    """Parts that nobody removed."""
    return [path.name for path in (stage.storage / ".archiver" / "parts").glob("*.part")]
