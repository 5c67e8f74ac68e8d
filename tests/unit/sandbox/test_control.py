"""Control verbs change what the provider has, and the ledger follows."""

from typing import Any

import pytest

from tests.unit.sandbox.visitor import Visitor, visit


async def test_added_recordings_are_listed_first(visitor: Visitor) -> None:
    """add makes new recordings appear at the head, retrievable and with audio."""
    answer = await visitor.control({"add": 3})
    rows = await visitor.rows()
    assert answer.document == {
        "added": [row["recording_id"] for row in rows[2::-1]],
        "deleted": [],
        "unknown": [],
        "counts_reset": False,
    }
    assert len(rows) == 63
    assert (await visitor.audio(rows[0])).status == 200


async def test_deleted_recordings_vanish_everywhere(visitor: Visitor) -> None:
    """delete removes a recording from listing, retrieve and media; the ledger keeps it with the time."""
    row = (await visitor.rows())[10]
    recording_id = row["recording_id"]
    answer = await visitor.control({"delete": [recording_id, "nothing"]})
    assert (answer.document["deleted"], answer.document["unknown"]) == ([recording_id], ["nothing"])
    assert recording_id not in [found["recording_id"] for found in await visitor.rows()]
    assert (await visitor.get(f"{visitor.listing_url}{recording_id}/")).status == 404
    assert (await visitor.get(row["recording_url"])).status == 404
    assert visitor.ledger["recordings"][recording_id]["deleted_at"].endswith("Z")


async def test_a_deleted_recording_leaves_the_store_too(visitor: Visitor) -> None:
    """A signed address stops working when its recording is deleted."""
    for row in await visitor.rows():
        answer = await visitor.get(row["recording_url"])
        if answer.status == 302:
            await visitor.control({"delete": [row["recording_id"]]})
            assert (await visitor.get(answer.headers["Location"], {})).status == 404
            return
    raise AssertionError("no recording is redirected")


async def test_counts_start_anew(visitor: Visitor) -> None:
    """reset_counts forgets requests, listings and bodies, but neither recordings nor deletions."""
    rows = await visitor.rows()
    await visitor.audio(rows[0])
    await visitor.control({"delete": [rows[1]["recording_id"]]})
    before = visitor.ledger
    await visitor.control({"reset_counts": True})
    after = visitor.ledger
    assert set(after["requests"].values()) == {0}
    assert {(entry["listed"], len(entry["served"])) for entry in after["recordings"].values()} == {(0, 0)}
    for fact in ("sha256", "size_bytes", "format", "deleted_at"):
        assert {key: entry[fact] for key, entry in after["recordings"].items()} == {
            key: entry[fact] for key, entry in before["recordings"].items()
        }


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"drop": 1}, "add, delete, reset_counts"),
        ({"add": 1, "drop": 1}, "add, delete, reset_counts"),
        ({}, "add, delete, reset_counts"),
        ([], "add, delete, reset_counts"),
        ({"add": -1}, "add"),
        ({"add": True}, "add"),
        ({"delete": "all"}, "delete"),
        ({"delete": [1]}, "delete"),
        ({"reset_counts": 1}, "reset_counts"),
    ],
)
async def test_a_bad_command_is_refused_whole(visitor: Visitor, document: Any, named: str) -> None:
    """An unknown key or a wrong value answers 400, names what is known, and changes nothing."""
    answer = await visitor.control(document)
    assert (answer.status, named in answer.document["error"]) == (400, True)
    assert len(visitor.ledger["recordings"]) == 60


async def test_a_command_must_be_json(visitor: Visitor) -> None:
    """Text that is no JSON answers 400."""
    async with visitor.session.post(visitor.sandbox.control_url, data=b"add=1") as response:
        assert (response.status, "JSON" in (await response.json())["error"]) == (400, True)


async def test_the_ledger_is_the_same_over_http(visitor: Visitor) -> None:
    """What GET answers is what the object says in the same process."""
    await visitor.rows()
    answer = await visitor.get(visitor.sandbox.ledger_url, {})
    assert answer.document == visitor.sandbox.ledger.as_json()


async def test_withheld_recordings_are_not_in_the_ledger_yet() -> None:
    """A recording that has not arrived is unknown to the ledger; after the listing was read it is there."""
    async with visit(recordings=60, late_arrivals=5) as visitor:
        assert len(visitor.ledger["recordings"]) == 55
        await visitor.rows("limit=10")
        assert len(visitor.ledger["recordings"]) == 60
