"""Vobiz documents hold the traps of the vendor's pages and tell the truth behind them."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from archiver.sandbox.population import Plan, Population, Recording
from archiver.sandbox.vobiz_documents import Place, Quirks, recording_document

ANCHOR = datetime(2026, 6, 1, tzinfo=UTC)
PLACE = Place("MA_X", "http://media.example")
ADD_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{5,6}(\+00:00|\+05:30)")


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    return list(Population("vobiz", Plan(seed=1, count=300, anchor=ANCHOR)).all_newest_first())


@pytest.fixture(scope="module")
def documents(recordings: list[Recording]) -> list[dict[str, Any]]:
    return [recording_document(recording, PLACE, ANCHOR) for recording in recordings]


def test_add_time_has_two_offsets_and_two_precisions(
    recordings: list[Recording], documents: list[dict[str, Any]]
) -> None:
    """D5: times carry a space, +00:00 or +05:30 and 5 or 6 digits, and all are the instant they stand for."""
    texts = [document["add_time"] for document in documents]
    assert all(ADD_TIME.fullmatch(text) for text in texts)
    assert {(len(text), text[-6:]) for text in texts} == {(n, z) for n in (31, 32) for z in ("+00:00", "+05:30")}
    for recording, text in zip(recordings, texts, strict=True):
        assert timedelta(0) <= recording.added_at - datetime.fromisoformat(text) < timedelta(microseconds=10)


def test_durations_are_decimal_strings_that_agree(recordings: list[Recording], documents: list[dict[str, Any]]) -> None:
    """Lengths and ends are strings of milliseconds with five decimals; the billed length is whole minutes."""
    for recording, document in zip(recordings, documents, strict=True):
        length = document["recording_duration_ms"]
        assert length == f"{recording.clip.duration_ms}.00000"
        assert 0 <= document["rounded_recording_duration"] - Decimal(length) / 1000 < 60
        if document["recording_start_ms"] is not None:
            between = Decimal(document["recording_end_ms"]) - Decimal(document["recording_start_ms"])
            assert between == Decimal(length)


def test_only_trunk_rows_lack_their_times(documents: list[dict[str, Any]]) -> None:
    """Start and end are null together, and for some trunk rows only."""
    missing = {document["recording_type"] for document in documents if document["recording_end_ms"] is None}
    present = {document["recording_type"] for document in documents if document["recording_start_ms"] is not None}
    assert missing == {"trunk"}
    assert present == {"call", "conference", "trunk"}


def test_names_and_numbers_vary(documents: list[dict[str, Any]]) -> None:
    """No conference is an empty string or null; numbers come with and without a plus, mixed in one row."""
    names = {document["conference_name"] for document in documents}
    pluses = {(document["from_number"][0] == "+", document["to_number"][0] == "+") for document in documents}
    assert {"", None} < names
    assert len(pluses) == 4


def test_wav_hides_behind_mp3(recordings: list[Recording], documents: list[dict[str, Any]]) -> None:
    """B3: some WAV bodies are called mp3 by url and media type, some by recording_format too; MP3 never lies."""
    seen = {
        (recording.clip.encoding.container, document["recording_url"][-3:], document["recording_format"])
        for recording, document in zip(recordings, documents, strict=True)
    }
    assert seen == {("mp3", "mp3", "mp3"), ("wav", "wav", "wav"), ("wav", "mp3", "wav"), ("wav", "mp3", "mp3")}


def test_storage_duration_grows_with_the_day(recordings: list[Recording]) -> None:
    """The days since creation change while nothing else of the document does."""
    today, tomorrow = (recording_document(recordings[50], PLACE, ANCHOR + timedelta(days=days)) for days in (0, 1))
    assert tomorrow["recording_storage_duration"] == today["recording_storage_duration"] + 1
    assert {**tomorrow, "recording_storage_duration": today["recording_storage_duration"]} == today


def test_quirks_come_in_the_shares_announced(recordings: list[Recording]) -> None:
    """About half of the recordings are retrieved in an envelope, about a third is redirected to the store."""
    quirks = [Quirks.of(recording) for recording in recordings]
    assert 120 < sum(quirk.is_enveloped for quirk in quirks) < 180
    assert 75 < sum(quirk.is_redirected for quirk in quirks) < 125
