"""Accept: what arrived is judged before it is stored."""

import hashlib
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model.errors import IntegrityError
from archiver.model.objects import Body, Digest
from archiver.pipeline.accept import accept
from tests.builders import make_listed
from tests.unit.pipeline.sounds import mp3, wav

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
    "a cut wav": (wav()[:-1], "cut"),
}


def make_body(content: bytes) -> Body:
    return Body(content=content, digest=Digest(hashlib.sha256(content).digest()), size_bytes=len(content))


@pytest.mark.parametrize("kind", REFUSED)
async def test_what_is_no_recording_is_refused(kind: str) -> None:
    """Each of these is refused, and the error says why (B1, B2)."""
    content, reason = REFUSED[kind]
    with pytest.raises(IntegrityError, match=reason):
        await accept(make_body(content), make_listed(), None)


@pytest.mark.parametrize(("declared", "claimed"), [(1067, None), (1069, None), (None, 1067), (1068, 1069)])
async def test_a_wrong_length_is_refused(declared: int | None, claimed: int | None) -> None:
    """A body that is not as long as it was declared, or as the listing claims, is refused (B1, B3)."""
    with pytest.raises(IntegrityError, match="bytes came"):
        await accept(make_body(wav()), make_listed(claimed_size=claimed), declared)


async def test_a_sound_body_has_its_container() -> None:
    """A WAV under an .mp3 name is a WAV: the bytes decide (B3)."""
    body = make_body(wav())
    assert await accept(body, make_listed(claimed_format="mp3", claimed_size=body.size_bytes), 1068) == "wav"
    assert await accept(make_body(mp3()), make_listed(claimed_format="wav"), None) == "mp3"


async def test_a_body_in_a_file_is_judged_alike(tmp_path: Path) -> None:
    """A spooled file passes or is refused as bytes in memory are."""
    path = tmp_path / "body.part"
    for content, is_sound in ((wav(), True), (wav()[:-1], False)):
        path.write_bytes(content)
        body = Body(content=path, digest=Digest(bytes(32)), size_bytes=len(content))
        if is_sound:
            assert await accept(body, make_listed(), None) == "wav"
            continue
        with pytest.raises(IntegrityError):
            await accept(body, make_listed(), None)


@given(content=st.binary(max_size=400))
@settings(max_examples=200, derandomize=True, database=None, deadline=None)
async def test_noise_never_breaks_it(content: bytes) -> None:
    """Whatever arrives is accepted or refused; nothing else is ever raised."""
    with suppress(IntegrityError):
        assert await accept(make_body(content), make_listed(), None)
