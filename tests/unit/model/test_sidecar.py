"""The document beside each object."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model.account import AccountName
from archiver.model.objects import Digest, Key, StoredObject
from archiver.model.recording import Listed, ListingName, RecordingId
from archiver.model.sidecar import SidecarFacts, render_sidecar

FACTS = SidecarFacts(
    account=AccountName("acme"),
    provider="kazoo",
    provider_account_id="a1b2",
    listed=Listed(
        recording_id=RecordingId("rec-1"),
        listing=ListingName("account"),
        started_at=datetime(2026, 11, 22, 8, 34, 5, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        duration=timedelta(seconds=61.5),
        direction="inbound",
        from_number="+4930123",
        to_number=None,
        type=None,
        claimed_format="mp3",
        claimed_size=9,
        expires_at=None,
        document={"url": "[redacted]", "name": "Zoë"},
        redacted=("/url",),
        fingerprint=b"f",
    ),
    first_seen_at=datetime(2026, 11, 22, 4, 0, 0, 250_000, tzinfo=UTC),
    kept=StoredObject(
        key=Key("acme/rec-1.wav"), digest=Digest(bytes(32)), size_bytes=10, format="wav", storage_url="file:/srv"
    ),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def test_it_tells_what_is_known_at_storing() -> None:
    """R7: identity, call, bytes and the provider's document, by the contract's names; no state."""
    assert json.loads(render_sidecar(FACTS)) == {
        "schema": "recording-archiver/sidecar/1",
        "account": "acme",
        "provider": "kazoo",
        "provider_account_id": "a1b2",
        "recording_id": "rec-1",
        "listing": "account",
        "started_at": "2026-11-22T03:04:05Z",
        "first_seen_at": "2026-11-22T04:00:00.250000Z",
        "duration_s": 61.5,
        "direction": "inbound",
        "from_number": "+4930123",
        "to_number": None,
        "type": None,
        "format": "wav",
        "size": 10,
        "sha256": "00" * 32,
        "key": "acme/rec-1.wav",
        "suspect": None,
        "provider_metadata": {"url": "[redacted]", "name": "Zoë"},
        "redacted": ["/url"],
    }


def test_it_is_made_to_be_read() -> None:
    """One value a line, sorted, in UTF-8, with a line feed at the end."""
    lines = render_sidecar(FACTS).decode("utf-8").split("\n")
    assert lines[1] == '  "account": "acme",'
    assert '    "name": "Zoë",' in lines
    assert lines[-2:] == ["}", ""]
    names = [line.split('"')[1] for line in lines if line.startswith('  "')]
    assert names == sorted(names)


def test_absent_times_and_durations_are_null() -> None:
    """What is not known is null."""
    listed = replace(FACTS.listed, started_at=None, duration=None)
    document = json.loads(render_sidecar(replace(FACTS, listed=listed)))
    assert document["started_at"] is document["duration_s"] is None


@settings(derandomize=True, database=None, deadline=None, max_examples=40)
@given(st.dictionaries(st.text(st.characters()), json_values))
def test_any_document_survives(document: dict[str, object]) -> None:
    """R7: whatever a provider's JSON holds, lone surrogates too, is read again as it was."""
    rendered = render_sidecar(replace(FACTS, listed=replace(FACTS.listed, document=document)))
    assert json.loads(rendered)["provider_metadata"] == document


def test_equal_facts_give_equal_bytes() -> None:
    """R1: a repeat after a crash writes the same sidecar, in whatever order the document came."""
    other = replace(FACTS.listed, document=dict(reversed(list(FACTS.listed.document.items()))))
    assert render_sidecar(FACTS) == render_sidecar(replace(FACTS, listed=other))


def test_what_json_cannot_say_is_refused() -> None:
    """A sidecar is always JSON: infinity is not written."""
    with pytest.raises(ValueError, match="JSON"):
        render_sidecar(replace(FACTS, listed=replace(FACTS.listed, document={"x": float("inf")})))
