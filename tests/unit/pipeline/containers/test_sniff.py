"""What first bytes show: audio by name, messages in disguise, noise."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.pipeline.containers.sniff import HEAD_BYTES, sniff, spoken_text
from tests.unit.pipeline.sounds import MULAW, aac, chunk, mp3, riff, wav

AUDIO = {
    "wav": wav(),
    "a µ-law wav": riff(chunk(b"fmt ", MULAW), chunk(b"data", b"\xff" * 100)),
    "bare mp3": mp3(),
    "mp3 of one frame": mp3(1),
    "mp3 behind a tag": b"ID3\x03\x00\x00\x00\x00\x00\x0bTIT2some title" + mp3(),
    "aac": aac(),
    "ogg": b"OggS\x00\x02" + bytes(100),
    "m4a": b"\x00\x00\x00\x20ftypM4A " + bytes(100),
    "3gp": b"\x00\x00\x00\x18ftyp3gp4" + bytes(100),
    "flac": b"fLaC\x00\x00\x00\x22" + bytes(100),
    "amr": b"#!AMR\n" + b"\x3c" * 100 + b"\x00",
    "au": b".snd\x00\x00\x00\x18" + bytes(100),
}
NAMES = {"a µ-law wav": "wav", "bare mp3": "mp3", "mp3 of one frame": "mp3", "mp3 behind a tag": "mp3", "3gp": "m4a"}


@pytest.mark.parametrize("kind", AUDIO)
def test_audio_is_known_by_its_head(kind: str) -> None:
    """Real audio has its container's name and is never taken for a message (B3)."""
    head = AUDIO[kind][:HEAD_BYTES]
    assert (sniff(head), spoken_text(head)) == (NAMES.get(kind, kind), None)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": "not found"}',
        b'\xef\xbb\xbf\r\n [{"error": 1}]',
        b"<!-- proxy --><html>",
        b"\n\n \t<!DOCTYPE html>",
        b"<html>" + bytes(600),
        b"{" + b"\0" * 500,
        b"Not found\r\n" * 1000,
        b"\xef\xbb\xbfNot found",
        b"ID3 is missing",
        b"RIFFraff is no WAVE",
        b"   \n",
        '{"error": "é"}'.encode("utf-16"),
        "<html>".encode("utf-16"),
        "Not found".encode("utf-16-be").join([b"\xfe\xff", b""]),
        '{"error": 1}'.encode("utf-16-le"),
    ],
    ids=lambda body: body[:12].hex(),
)
def test_messages_are_heard(body: bytes) -> None:
    """Text under an audio type is told, however it is encoded, padded or led in (B2)."""
    assert spoken_text(body[:HEAD_BYTES]) is not None


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(b'{"error": 1}', mtime=0),
        b"PK\x03\x04" + bytes(100),
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"\xff\xd8\xff\xe0" + bytes(100),
        bytes(100),
        b"\0\0<html>",
        b"ID3\x03\x00\x00\xff\xff\xff\xff" + bytes(100),
        mp3()[:570],
        mp3(1) + b"nonsense" * 20,
        "\ufeff{\x0d".encode("utf-16-le") * 50,
        b"\xff\xf1\xff\xff" * 50,
    ],
    ids=lambda body: body[:12].hex(),
)
def test_what_is_no_audio_has_no_name(body: bytes) -> None:
    """Archives, pictures, zeros, lone frame headers and UTF-16, whose mark looks like one, are no audio (B2)."""
    assert sniff(body[:HEAD_BYTES]) is None


@given(noise=st.binary(min_size=44, max_size=600))
@settings(max_examples=200, derandomize=True, database=None, deadline=None)
def test_a_frame_header_alone_proves_nothing(noise: bytes) -> None:
    """Noise behind a valid frame header is not MP3, unless a second frame lies where the first one ends (B2)."""
    body = mp3(1)[:4] + noise
    expected = "mp3" if len(body) == 576 or body[576:578] == b"\xff\xe3" else None
    assert sniff(body) == expected


def test_the_quotation_is_short() -> None:
    """An error quotes the beginning of a message on one line."""
    assert spoken_text(b"<p>\n  not   here</p>" + b"x" * 4000) == "<p> not here</p>" + "x" * 60
