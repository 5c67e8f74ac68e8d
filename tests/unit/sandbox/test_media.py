"""Media over real sockets: what is served is what the ledger says, and no credential may reach the store."""

import asyncio
from hashlib import sha256
from typing import Any

import aiohttp
import pytest

from archiver.sandbox.server import SandboxOptions, serve
from tests.unit.sandbox.visitor import Visitor, visit


async def redirected(visitor: Visitor) -> tuple[dict[str, Any], str]:
    """A row whose media lies in the store, and its address there."""
    for row in await visitor.rows():
        answer = await visitor.get(row["recording_url"])
        if answer.status == 302:
            return row, answer.headers["Location"]
    raise AssertionError("no recording is redirected")


async def direct(visitor: Visitor) -> dict[str, Any]:
    """A row whose media is served where its url points."""
    for row in await visitor.rows():
        if (await visitor.get(row["recording_url"], {**visitor.credentials, "Range": "bytes=0-"})).status == 206:
            return row
    raise AssertionError("every recording is redirected")


async def test_audio_is_what_the_ledger_says(visitor: Visitor) -> None:
    """Every recording is served whole, with its length stated; digest, size and container agree with the ledger."""
    rows = await visitor.rows()
    for row in rows:
        answer = await visitor.audio(row)
        entry = visitor.ledger["recordings"][row["recording_id"]]
        served = {"sha256": sha256(answer.body).hexdigest(), "size_bytes": len(answer.body)}
        assert int(answer.headers["Content-Length"]) == len(answer.body)
        assert {**entry, **served} == entry
        assert entry["served"] == [{**served, "complete": True}]
        assert entry["media_requests"] == 1
        assert entry["format"] == {b"ID3": "mp3", b"RIF": "wav"}[answer.body[:3]]
    digests = {entry["sha256"] for entry in visitor.ledger["recordings"].values()}
    requests = visitor.ledger["requests"]
    assert len(digests) == requests["media"] == 60
    assert 10 < requests["store"] < 30
    assert (requests["refused"], visitor.ledger["credential_leaks"]) == (0, 0)


async def test_media_wants_the_credentials(visitor: Visitor) -> None:
    """Without credentials media answers 401, and the request is counted for the recording."""
    row = (await visitor.rows())[0]
    assert (await visitor.get(row["recording_url"], {})).status == 401
    entry = visitor.ledger["recordings"][row["recording_id"]]
    assert (entry["media_requests"], entry["served"]) == (1, [])


@pytest.mark.parametrize("change", ["nothing.mp3", "{id}.ogg", "{id}", "../{id}.mp3"])
async def test_other_media_addresses_answer_404(visitor: Visitor, change: str) -> None:
    """An address that the listing did not give holds nothing."""
    row = (await visitor.rows())[0]
    root = row["recording_url"].rsplit("/", 1)[0]
    answer = await visitor.get(f"{root}/{change.format(id=row['recording_id'])}")
    assert (answer.status, set(answer.document)) == (404, {"api_id", "error"})


@pytest.mark.parametrize("name", ["X-Auth-ID", "x-auth-token", "Authorization", "X-Auth-Other"])
async def test_a_leaked_credential_is_refused_and_counted(visitor: Visitor, name: str) -> None:
    """S1: the store answers 400 to any credential header, signed or not, and the ledger counts the leak."""
    _, location = await redirected(visitor)
    answer = await visitor.get(location, {name: "secret"})
    assert (answer.status, b"<Code>InvalidArgument</Code>" in answer.body) == (400, True)
    assert visitor.ledger["credential_leaks"] == 1


async def test_a_client_that_follows_blindly_leaks(visitor: Visitor) -> None:
    """S1: aiohttp's own redirects carry X-Auth headers to the store, which this sandbox must notice."""
    row, _ = await redirected(visitor)
    async with visitor.session.get(row["recording_url"], headers=visitor.credentials) as response:
        assert response.status == 400
    assert visitor.ledger["credential_leaks"] == 1


@pytest.mark.parametrize("query", ["", "?Signature=", "?Signature=00", "?Signature=%C3%A9"])
async def test_the_store_wants_its_signature(visitor: Visitor, query: str) -> None:
    """Without the right signature the store answers 403 and counts no leak."""
    _, location = await redirected(visitor)
    answer = await visitor.get(location.partition("?")[0] + query, {})
    assert (answer.status, visitor.ledger["credential_leaks"]) == (403, 0)


async def test_a_signature_is_good_for_one_recording(visitor: Visitor) -> None:
    """The signature of one recording opens no other."""
    row, location = await redirected(visitor)
    other = next(found["recording_id"] for found in await visitor.rows() if found != row)
    assert (await visitor.get(location.replace(row["recording_id"], other), {})).status == 403


async def test_a_range_gives_the_rest(visitor: Visitor) -> None:
    """Range from a byte on answers 206 with the rest, which the ledger does not take for the whole."""
    row = await direct(visitor)
    whole = await visitor.get(row["recording_url"])
    rest = await visitor.get(row["recording_url"], {**visitor.credentials, "Range": "bytes=100-"})
    size = len(whole.body)
    assert (rest.status, rest.headers["Content-Range"]) == (206, f"bytes 100-{size - 1}/{size}")
    assert rest.body == whole.body[100:]
    served = visitor.ledger["recordings"][row["recording_id"]]["served"][-1]
    assert served == {"sha256": sha256(rest.body).hexdigest(), "size_bytes": size - 100, "complete": False}


async def test_a_range_from_the_first_byte_is_the_whole(visitor: Visitor) -> None:
    """Range from byte 0 answers 206, and the ledger takes the body for complete."""
    row = await direct(visitor)
    assert visitor.ledger["recordings"][row["recording_id"]]["served"][-1]["complete"]


async def test_a_range_behind_the_end_answers_416(visitor: Visitor) -> None:
    """A range that begins where the body ends cannot be served; other forms of range are passed over."""
    row = await direct(visitor)
    size = visitor.ledger["recordings"][row["recording_id"]]["size_bytes"]
    behind = await visitor.get(row["recording_url"], {**visitor.credentials, "Range": f"bytes={size}-"})
    suffix = await visitor.get(row["recording_url"], {**visitor.credentials, "Range": "bytes=-5"})
    assert (behind.status, behind.headers["Content-Range"]) == (416, f"bytes */{size}")
    assert (suffix.status, len(suffix.body)) == (200, size)


async def test_a_client_that_goes_away_got_no_whole_body() -> None:
    """A body whose reader hangs up early is entered as incomplete, if any of it was written."""
    async with visit(recordings=5, audio_seconds=(2000.0, 2000.0)) as visitor:
        row = await direct(visitor)
        await visitor.control({"reset_counts": True})
        async with visitor.session.get(row["recording_url"], headers=visitor.credentials) as response:
            response.close()
        async with asyncio.timeout(5):
            while not (served := visitor.ledger["recordings"][row["recording_id"]]["served"]):
                await visitor.page()
        assert [body["complete"] for body in served] == [False]


async def test_bytes_are_the_same_in_every_run() -> None:
    """The same seed and anchor give the same ids with the same digests; another seed shares none."""
    digests = []
    for seed in (7, 7, 8):
        async with visit(seed=seed, recordings=20) as visitor:
            digests.append({(key, entry["sha256"]) for key, entry in visitor.ledger["recordings"].items()})
    assert digests[0] == digests[1]
    assert not digests[0] & digests[2]


async def test_usual_lengths_are_served_too() -> None:
    """Without bounds on the length, what is served is still what was claimed."""
    async with serve(SandboxOptions(recordings=8, late_arrivals=0)) as sandbox, aiohttp.ClientSession() as session:
        visitor = Visitor(sandbox, session)
        for row in await visitor.rows():
            size = len((await visitor.audio(row)).body)
            claimed_seconds = float(row["recording_duration_ms"]) / 1000
            assert 8000 * claimed_seconds <= size < 16_000 * claimed_seconds + 200
