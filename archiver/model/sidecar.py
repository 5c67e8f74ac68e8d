"""The sidecar: a JSON document beside each object, from which the catalog could be rebuilt.

It holds what is known when the object is stored and never changes: no state, no attempt, nothing that comes later.
The names are those of ``archiver ls --json``, with ``provider_account_id`` beside them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from archiver.model.account import AccountName
from archiver.model.objects import StoredObject
from archiver.model.recording import Listed

SCHEMA: Final = "recording-archiver/sidecar/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarFacts:
    """What a sidecar tells. ``provider_account_id`` is the account's real id at the provider; ``suspect`` says why the
    bytes may not be the call."""

    account: AccountName
    provider: str
    provider_account_id: str
    listed: Listed
    first_seen_at: datetime
    kept: StoredObject
    suspect: str | None = None


def render_sidecar(facts: SidecarFacts) -> bytes:
    """The document as UTF-8: indented, keys sorted, one line feed at its end; the same facts give the same bytes.

    A lone surrogate, which JSON can escape and UTF-8 cannot hold, stays escaped.

    Raises: ValueError when the provider's document holds a number that JSON has none for.
    """
    text = json.dumps(_document(facts), ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True)
    return (text + "\n").encode("utf-8", "backslashreplace")


def _document(facts: SidecarFacts) -> Mapping[str, object]:
    listed, kept = facts.listed, facts.kept
    return {
        "schema": SCHEMA,
        "account": facts.account,
        "provider": facts.provider,
        "provider_account_id": facts.provider_account_id,
        "recording_id": listed.recording_id,
        "listing": listed.listing,
        "started_at": _instant(listed.started_at),
        "first_seen_at": _instant(facts.first_seen_at),
        "duration_s": None if listed.duration is None else listed.duration.total_seconds(),
        "direction": listed.direction,
        "from_number": listed.from_number,
        "to_number": listed.to_number,
        "type": listed.type,
        "format": kept.format,
        "size": kept.size_bytes,
        "sha256": kept.digest.hex(),
        "key": kept.key,
        "suspect": facts.suspect,
        "provider_metadata": dict(listed.document),
        "redacted": list(listed.redacted),
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
