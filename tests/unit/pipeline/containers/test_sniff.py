"""What first bytes show: audio by name, messages in disguise, noise."""

import gzip
from random import Random

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
    "mp3 behind zeros": bytes(700) + mp3(),
    "mp3 in free format": (b"\xff\xfb\x04\xc4" + bytes(196)) * 3,
    "layer 2": (b"\xff\xfd\x14\xc4" + bytes(92)) * 2,
    "mp3 behind a long tag": b"ID3\x03\x00\x00\x00\x00\x7f\x7f" + bytes(5000) + mp3(),
    "flac behind a tag": b"ID3\x03\x00\x00\x00\x00\x00\x04TIT2" + b"fLaC" + bytes(100),
    "aac behind a tag": b"ID3\x03\x00\x00\x00\x00\x00\x04TIT2" + aac(),
    "a long wav": b"RF64\xff\xff\xff\xffWAVEds64" + bytes(100),
    "a broadcast wav": b"BW64\xff\xff\xff\xffWAVEds64" + bytes(100),
    "aac": aac(),
    "ogg": b"OggS\x00\x02" + bytes(100),
    "m4a": b"\x00\x00\x00\x20ftypM4A " + bytes(100),
    "3gp": b"\x00\x00\x00\x18ftyp3gp4" + bytes(100),
    "quicktime": b"\x00\x00\x00\x14ftypqt  " + bytes(100),
    "video": b"\x00\x00\x00\x1cftypisom" + bytes(100),
    "flac": b"fLaC\x00\x00\x00\x22" + bytes(100),
    "amr": b"#!AMR\n" + b"\x3c" * 100 + b"\x00",
    "au": b".snd\x00\x00\x00\x18" + bytes(100),
}
NAMES = {"3gp": "m4a", "layer 2": "mp3", "quicktime": "m4a", "video": "m4a"}


def expected_name(kind: str) -> str:
    """Its container's name is the kind's, or a word of it."""
    return NAMES.get(kind) or next(word for word in kind.split() if word in {"wav", "mp3", "flac", *AUDIO})


@pytest.mark.parametrize("kind", AUDIO)
def test_audio_is_known_by_its_head(kind: str) -> None:
    """Real audio has its container's name and is never taken for a message (B3)."""
    head = AUDIO[kind][:HEAD_BYTES]
    assert (sniff(head), spoken_text(head)) == (expected_name(kind), None)


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
        b"RIFF\x24\x00\x00\x00WEBP" + bytes(100),
        b"RIFF\x24\x00\x00\x00AVI LIST" + bytes(100),
        b"GIF89a" + bytes(100),
        b"II*\x00" + bytes(100),
        b"%PDF-1.7\n\x80" + bytes(100),
        b"PK\x03\x04" + bytes(60) + mp3(3),
        b"junk" + mp3(3),
        bytes(700) + mp3(1) + b"junk",
        (b"\xff\xfb\x04\xc4" + bytes(196)) * 2 + b"junk",
        "\ufeff{\x0d".encode("utf-16-le") * 50,
        b"\xff\xf1\xff\xff" * 50,
    ],
    ids=lambda body: body[:12].hex(),
)
def test_what_is_no_audio_has_no_name(body: bytes) -> None:
    """Archives, pictures, zeros, lone frame headers and UTF-16, whose mark looks like one, are no audio (B2)."""
    assert sniff(body[:HEAD_BYTES]) is None


@pytest.mark.parametrize("brand", ["heic", "heix", "hevc", "mif1", "msf1", "avif", "avis", "jxl ", "jp2 ", "crx "])
def test_pictures_in_a_container_of_films_are_no_audio(brand: str) -> None:
    """The brand tells a picture from sound and film, which share a container (B2)."""
    assert sniff(b"\x00\x00\x00\x1cftyp" + brand.encode() + bytes(100)) is None


def test_noise_is_hardly_ever_audio() -> None:
    """Of 20,000 heads of noise none passes (B2)."""
    random = Random(3)
    noise = random.randbytes(1 << 20)
    heads = (noise[at : at + HEAD_BYTES] for at in random.choices(range(len(noise) - HEAD_BYTES), k=20_000))
    assert [head[:8] for head in heads if sniff(head)] == []


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
