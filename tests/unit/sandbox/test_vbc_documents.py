"""VBC documents hold the traps of the vendor's pages and tell the truth behind them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archiver.sandbox.audio import Encoding, render
from archiver.sandbox.population import Habits, Plan, Population, Recording
from archiver.sandbox.vbc_documents import Place, read_time, recording_document, write_time

ANCHOR = datetime(2026, 6, 1, tzinfo=UTC)
PLACE = Place("https://vbc.example/t/vbc.prod/call_recording", "549825")


def population(listing: str) -> Population:
    habits = Habits(encodings=(Encoding.MP3,), name=lambda number, _at, _drawn: f"{listing}:{193228 + number}")
    return Population("vbc", Plan(seed=1, count=200, anchor=ANCHOR), habits)


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    return list(population("company").all_newest_first())


@pytest.fixture(scope="module")
def documents(recordings: list[Recording]) -> list[dict[str, Any]]:
    return [recording_document(recording, PLACE, 7) for recording in recordings]


def test_times_have_an_offset_without_a_colon(recordings: list[Recording], documents: list[dict[str, Any]]) -> None:
    """D5: start and end are whole seconds with +0000, and the instants that they stand for."""
    for recording, document in zip(recordings, documents, strict=True):
        assert document["start"].endswith("+0000")
        assert timedelta(0) <= recording.added_at - read_time(document["start"]) < timedelta(seconds=1)
        assert write_time(read_time(document["end"])) == document["end"]


@pytest.mark.parametrize("field", ["duration", "caller_id"])
def test_some_numbers_are_strings(documents: list[dict[str, Any]], field: str) -> None:
    """The same field is a number in some rows and a string of digits in others."""
    assert {type(document[field]) for document in documents} == {int, str}
    assert all(str(document[field]).isdigit() for document in documents)


def test_ids_are_numbers_and_extensions_are_both(documents: list[dict[str, Any]]) -> None:
    """An id is always a number; extensions are missing, numbers or strings, mixed in one row."""
    kinds = {tuple(type(extension) for extension in document["extensions"]) for document in documents}
    assert {type(document["id"]) for document in documents} == {int}
    assert {(), (int,), (str,), (int, str), (str, int)} <= kinds


def test_the_claimed_size_is_exact(recordings: list[Recording], documents: list[dict[str, Any]]) -> None:
    """file_size_in_bytes is what will be served, and duration is in milliseconds."""
    for recording, document in zip(recordings[:20], documents, strict=False):
        assert document["file_size_in_bytes"] == len(render(recording.clip))
        assert int(document["duration"]) == recording.clip.duration_ms


def test_only_company_recordings_have_rules(documents: list[dict[str, Any]]) -> None:
    """Rules make company recordings; a user's has no such field, and its links name the user."""
    own = recording_document(next(population("user:745249").all_newest_first()), PLACE, 7)
    assert all(document["rule_ids"] for document in documents)
    assert "rule_ids" not in own
    assert "/accounts/549825/users/745249/call_recordings/" in own["_links"]["self"]["href"]
