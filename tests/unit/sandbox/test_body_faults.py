"""Faults of the content over real sockets: each serves what it says, the ledger knows it, and then all is well."""

import gzip
import io
import wave
import zipfile
from hashlib import sha256
from typing import Any

import aiohttp
import pytest

from archiver.sandbox.audio import Clip, Encoding, render
from tests.unit.sandbox.guests import visit_kazoo, visit_vbc
from tests.unit.sandbox.visitor import Answer, Visitor, visit

PAGES = {"empty": b"", "json": b"{", "html": b"<!DOCTYPE html>", "xml": b"<?xml", "text": b"The ", "image": b"\x89PNG"}
ALWAYS = "share=1,times=0"


async def first_audio(visitor: Visitor) -> tuple[dict[str, Any], Answer]:
    """The newest recording's row in the ledger, and its audio as it is served now."""
    row = (await visitor.rows())[0]
    answer = await visitor.audio(row)
    return visitor.ledger["recordings"][row["recording_id"]], answer


@pytest.mark.parametrize("name", PAGES)
async def test_something_else_comes_under_200(name: str) -> None:
    """B2, B3: an error page or a picture comes whole, under the type of audio unless typed, the same every time."""
    async with visit(faults=(f"{name}:{ALWAYS}",)) as visitor:
        entry, answer = await first_audio(visitor)
        _, again = await first_audio(visitor)
        await visitor.control({"clear_faults": True, "faults": [f"{name}:{ALWAYS},typed=true"]})
        _, typed = await first_audio(visitor)
    assert (answer.status, answer.body[: len(PAGES[name])]) == (200, PAGES[name])
    assert answer.headers["Content-Type"].startswith("audio/")
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert again.body == typed.body == answer.body
    assert name == "empty" or not typed.headers["Content-Type"].startswith("audio/")
    digest = sha256(answer.body).hexdigest()
    assert entry["served"] == [{"sha256": digest, "size_bytes": len(answer.body), "complete": False}]
    assert entry["faults"] == {name: 1}


@pytest.mark.parametrize("name", ["json", "html", "xml", "empty"])
async def test_documents_can_be_struck_too(name: str) -> None:
    """D2: with on= also a listing answers with an error page under 200."""
    async with visit(faults=(f"{name}:share=1,on=list,typed=true",)) as visitor:
        struck = await visitor.get(f"{visitor.listing_url}?limit=50")
        healed = await visitor.get(f"{visitor.listing_url}?limit=50")
    assert (struck.status, struck.body[: len(PAGES[name])]) == (200, PAGES[name])
    assert len(healed.document["objects"]) == 50


async def test_a_zip_holds_the_recording() -> None:
    """B3: the recording is in the archive, and the archive is not the recording."""
    async with visit(faults=(f"zip:{ALWAYS}",)) as visitor:
        entry, answer = await first_audio(visitor)
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert sha256(archive.read("recording.mp3")).hexdigest() == entry["sha256"]


async def test_noise_repeats_itself() -> None:
    """B3: random bytes, as many as the recording has, are the same for a recording every time and for no other."""
    async with visit(faults=(f"noise:{ALWAYS}",)) as visitor:
        rows = await visitor.rows()
        bodies = [(await visitor.audio(row)).body for row in (rows[0], rows[0], rows[1])]
        size_bytes = visitor.ledger["recordings"][rows[0]["recording_id"]]["size_bytes"]
    assert bodies[0] == bodies[1] != bodies[2]
    assert len(bodies[0]) == size_bytes


async def test_a_wav_of_44_bytes_is_a_wav() -> None:
    """B3: the header alone is well-formed and says that nothing follows."""
    async with visit(faults=(f"wav44:{ALWAYS}",)) as visitor:
        _, answer = await first_audio(visitor)
    assert len(answer.body) == 44
    with wave.open(io.BytesIO(answer.body)) as audio:
        assert (audio.getframerate(), audio.getnframes()) == (8000, 0)


async def test_a_wav_may_deny_its_audio() -> None:
    """B3: the header says length 0, and the samples of the whole call lie behind it."""
    async with visit(faults=(f"wav_zero_data:{ALWAYS}",)) as visitor:
        row = (await visitor.rows())[0]
        body = (await visitor.audio(row)).body
    assert body[:4] + body[36:44] == b"RIFFdata\x00\x00\x00\x00"
    assert len(body) - 44 == pytest.approx(float(row["recording_duration_ms"]) * 16, abs=1)


async def test_half_of_a_call_sounds_like_a_call() -> None:
    """B3: the shorter audio is sound to its last byte, and lasts half as long as the row claims."""
    async with visit(faults=(f"half:{ALWAYS}",), audio_seconds=(2.0, 2.0)) as visitor:
        rows = await visitor.rows()
        for row in rows[:8]:
            body, name = (await visitor.audio(row)).body, row["recording_id"]
            lengths = {(encoding, ms) for encoding in Encoding for ms in (1000, 1008)}
            assert body in [render(Clip(name, ms, encoding)) for encoding, ms in lengths]


@pytest.mark.parametrize("labelled", ["true", "false"])
async def test_compression_comes_unasked(labelled: str) -> None:
    """B1: the body is packed although identity was asked for; the label is there or not."""
    async with visit(faults=(f"gzip:{ALWAYS},labelled={labelled}",)) as visitor:
        entry, answer = await first_audio(visitor)
    assert ("Content-Encoding" in answer.headers) == (labelled == "true")
    body = answer.body if labelled == "true" else gzip.decompress(answer.body)
    assert sha256(body).hexdigest() == entry["sha256"]


async def test_an_oversized_body_goes_on() -> None:
    """P3: behind the recording come zeros up to the size that was ordered, with an honest length."""
    async with visit(faults=(f"oversized:{ALWAYS},bytes=1000000",)) as visitor:
        entry, answer = await first_audio(visitor)
    assert answer.headers["Content-Length"] == "1000000"
    assert sha256(answer.body[: entry["size_bytes"]]).hexdigest() == entry["sha256"]
    assert not any(answer.body[entry["size_bytes"] :])
    assert entry["served"][0]["size_bytes"] == len(answer.body) == 1_000_000


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_cut_is_told_by_two_framings(framing: str) -> None:
    """B1: a body that ends before its stated length or its last chunk is an error of the client's own."""
    async with visit(faults=(f"cut:{ALWAYS},framing={framing}",)) as visitor:
        with pytest.raises(aiohttp.ClientPayloadError):
            await first_audio(visitor)
        (entry,) = [entry for entry in visitor.ledger["recordings"].values() if entry["served"]]
    assert entry["served"][0]["size_bytes"] == entry["size_bytes"] // 2
    assert not entry["served"][0]["complete"]


async def test_a_cut_is_not_told_by_the_third_framing() -> None:
    """B1: a body that ends with the connection looks whole, and is the beginning of the recording."""
    async with visit(faults=(f"cut:{ALWAYS},framing=close",)) as visitor:
        row = (await visitor.rows())[0]
        struck = await visitor.audio(row)
        await visitor.control({"clear_faults": True})
        whole = await visitor.audio(row)
    assert not {"Content-Length", "Transfer-Encoding"} & struck.headers.keys()
    assert struck.body == whole.body[: len(whole.body) // 2]


async def test_sizes_and_durations_lie_everywhere_alike() -> None:
    """B3: what a listing claims wrongly, retrieve claims too, and the audio is the recording's own."""
    orders = ("wrong_size:share=1,by=7", "wrong_duration:share=1,factor=3")
    async with visit_vbc(faults=orders) as vbc:
        row = (await vbc.rows())[0]
        alone = (await vbc.get(f"accounts/self/company_call_recordings/{row['id']}")).document
        body = (await vbc.audio(row)).body
    assert row["file_size_in_bytes"] == alone["file_size_in_bytes"] == len(body) + 7
    assert int(row["duration"]) == int(alone["duration"]) > 500


async def test_kazoo_is_struck_by_the_same_hook() -> None:
    """B2, B3: content, framing and claims go wrong at a provider that serves media by itself."""
    async with visit_kazoo(faults=("html:share=1", "wrong_duration:share=1")) as kazoo:
        recording_id = next(name for name, entry in kazoo.ledger["recordings"].items() if entry["retrievable"])
        document = (await kazoo.get(f"recordings/{recording_id}")).document["data"]
        assert (document if isinstance(document, dict) else document[0])["duration_ms"] > 600
        while not (entry := kazoo.ledger["recordings"][recording_id])["faults"].get("html"):
            await kazoo.media(recording_id)
        healed = await kazoo.media(recording_id)
    assert sha256(healed.body).hexdigest() == entry["sha256"]
