"""Accept: what arrived is judged before it is stored."""

import hashlib
import struct
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model.errors import IntegrityError
from archiver.model.objects import Body, Digest
from archiver.pipeline.accept import Accepted, accept
from archiver.ports.provider import Claims
from tests.builders import make_listed
from tests.unit.pipeline.sounds import FORMAT, chunk, mp3, riff, wav

CLAIMS = Claims(slack=timedelta(milliseconds=250), share=0.1)
REFUSED = {
    "empty": (b"", "empty"),
    "43 bytes": (b"RIFF" + bytes(39), "too short"),
    "json": (b'{"error": "no such recording"}', "no such recording"),
    "xml": (b'<?xml version="1.0"?><Error/>', "message"),
    "html": (b"<!doctype html><title>502</title>" * 100, "message"),
    "plain text": (b"upstream connect error\n" * 10, "upstream connect error"),
    "noise": (Random(7).randbytes(5000), "begins like no audio"),
    "zip": (b"PK\x03\x04" + bytes(100), "50 4b 03 04"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(100), "begins like no audio"),
    "jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(100), "begins like no audio"),
    "webp": (b"RIFF" + struct.pack("<I", 100) + b"WEBPVP8 " + bytes(100), "begins like no audio"),
    "heic": (struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(100), "begins like no audio"),
}
DOUBTFUL = {
    "44 bytes": (riff(chunk(b"fmt ", FORMAT), chunk(b"data", b"")), "no audio"),
    "data length 0": (riff(chunk(b"fmt ", FORMAT), chunk(b"data", b""), chunk(b"LIST", bytes(20))), "no audio"),
    "a cut wav": (wav()[:-1], "cut"),
    "nobody's container": (b"\x1a\x45\xdf\xa3" + bytes(100), "webm"),
}


def make_body(content: bytes) -> Body:
    return Body(content=content, digest=Digest(hashlib.sha256(content).digest()), size_bytes=len(content))


async def judge(content: bytes, declared: int | None = None, claims: Claims = CLAIMS, **facts: Any) -> Accepted:
    """The verdict on a body whose listing claims these facts, and nothing about its duration unless told."""
    return await accept(make_body(content), make_listed(**({"duration": None} | facts)), declared, claims)


@pytest.mark.parametrize("kind", REFUSED)
async def test_what_is_no_recording_is_refused(kind: str) -> None:
    """Each of these is refused for good, and the error says why (B2)."""
    content, reason = REFUSED[kind]
    with pytest.raises(IntegrityError, match=reason):
        await judge(content)


@pytest.mark.parametrize("declared", [1067, 1069])
async def test_a_broken_transfer_is_refused(declared: int) -> None:
    """A body that is not as long as its transfer declared is refused for good (B1)."""
    with pytest.raises(IntegrityError, match="were declared"):
        await judge(wav(), declared)


@pytest.mark.parametrize("kind", DOUBTFUL)
async def test_what_its_structure_contradicts_is_doubtful(kind: str) -> None:
    """Audio that is cut, empty, or of a container that nobody can walk may be stored only as a suspect (B3)."""
    content, reason = DOUBTFUL[kind]
    verdict = await judge(content)
    assert verdict.doubt is not None
    assert reason in verdict.doubt


async def test_another_size_than_claimed_is_doubtful() -> None:
    """A claimed size counts to the byte, unless the provider's sizes are known to be inexact (B3)."""
    verdict = await judge(wav(), claimed_size=1069)
    assert verdict.doubt == "1,068 bytes came, the listing claims 1,069"
    assert (await judge(wav(), claimed_size=1068)).doubt is None
    assert (await judge(wav(), claims=Claims(has_exact_sizes=False), claimed_size=1069)).doubt is None


@pytest.mark.parametrize(
    ("claimed_s", "plays_s", "is_doubtful"),
    [(10, 5, True), (10, 8.9, True), (10, 9.1, False), (10, 12, False), (1, 0.5, True), (1, 0.8, False), (0, 1, False)],
)
async def test_audio_far_shorter_than_claimed_is_doubtful(claimed_s: float, plays_s: float, is_doubtful: bool) -> None:
    """Audio may be shorter by the slack or the share, whichever is more; longer audio is never doubted (B3)."""
    sound = wav(bytes(int(16_000 * plays_s)))
    verdict = await judge(sound, duration=timedelta(seconds=claimed_s))
    assert (verdict.doubt is not None) is is_doubtful
    if verdict.doubt:
        assert verdict.doubt == f"it plays {plays_s:.1f} s, the listing claims {claimed_s:.1f} s"


async def test_every_doubt_is_told() -> None:
    """A body that is cut, of another size and too short has three reasons."""
    verdict = await judge(wav(bytes(16_000))[:-8000], claimed_size=16_044, duration=timedelta(seconds=1))
    assert verdict.doubt is not None
    assert verdict.doubt.count(";") == 2


async def test_a_sound_body_has_its_container() -> None:
    """A WAV under an .mp3 name is a WAV: the bytes decide (B3)."""
    assert await judge(wav(), 1068, claimed_format="mp3", claimed_size=1068) == Accepted(container="wav")
    assert await judge(mp3(), claimed_format="wav") == Accepted(container="mp3")


async def test_a_body_in_a_file_is_judged_alike(tmp_path: Path) -> None:
    """A spooled file gets the verdict that bytes in memory get."""
    path = tmp_path / "body.part"
    for content, is_sound in ((wav(), True), (wav()[:-1], False)):
        path.write_bytes(content)
        body = Body(content=path, digest=Digest(bytes(32)), size_bytes=len(content))
        verdict = await accept(body, make_listed(duration=None), None, CLAIMS)
        assert verdict == await judge(content)
        assert (verdict.doubt is None) is is_sound


@given(content=st.binary(max_size=400))
@settings(max_examples=200, derandomize=True, database=None, deadline=None)
async def test_noise_never_breaks_it(content: bytes) -> None:
    """Whatever arrives is accepted, doubted or refused; nothing else is ever raised."""
    with suppress(IntegrityError):
        assert (await judge(content)).container
