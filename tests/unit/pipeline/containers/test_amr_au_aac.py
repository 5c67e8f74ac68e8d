"""AMR, AU and bare AAC: whole ones play as long as was recorded; what structure can show of a cut is told."""

import io
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.sound import Sound
from archiver.pipeline.containers.walkers import walk
from tests.unit.pipeline.containers.cuts import cut_points, listen, unnoticed
from tests.unit.pipeline.sounds import aac

FOLDER = Path(__file__).parents[3] / "samples" / "audio"
SECONDS = {
    "aac_ffmpeg.aac": 2.816,
    "aac_gst.aac": 2.56,
    "amr_ffmpeg.amr": 2.62,
    "amr_ffmpeg_wide.amr": 2.64,
    "au_ffmpeg.au": 0.5,
    "au_ffmpeg_piped.au": 0.5,
    "au_sox.au": 0.5,
    "au_sox_wide.au": 0.5,
}
WHOLE = {name: (FOLDER / name).read_bytes() for name in SECONDS}
AMR = b"#!AMR\n" + (b"\x3c" + bytes(31)) * 50


def au(samples: bytes, length: int | None = None, encoding: int = 3) -> bytes:
    named = len(samples) if length is None else length
    return struct.pack(">4s6I", b".snd", 28, named, encoding, 8000, 1, 0) + samples


FLAWED = {
    "a cut amr": ("amr", AMR[:-9], "its last frame lacks 9 bytes"),
    "noise in an amr": ("amr", AMR + b"\xff", "no frame begins at byte 1,606"),
    "an unknown frame": ("amr", AMR + b"\x64", "no frame begins"),
    "an empty amr": ("amr", b"#!AMR\n", "holds no sound"),
    "an amr of channels": ("amr", b"#!AMR_MC1.0\n" + bytes(40), "nobody here knows this kind of AMR"),
    "a cut au": ("au", au(bytes(900), 1000), "100 bytes of its sound are missing"),
    "an au cut in its header": ("au", b".snd" + bytes(16), "inside its header"),
    "an empty au": ("au", au(b""), "holds no sound"),
    "an au cut in a sample": ("au", au(bytes(901), 2**32 - 1), "inside a sample"),
    "an au that begins behind its end": (
        "au",
        au(bytes(9)).replace(b"\0\0\0\x1c", b"\xff" * 4),
        "9 bytes of its sound",
    ),
    "a cut aac": ("aac", aac(3)[:-9], "its last frame lacks 9 bytes"),
    "an aac cut in a header": ("aac", aac(3) + aac()[:5], "5 bytes behind its last frame"),
    "noise in an aac": ("aac", aac(3) + bytes(50), "no frame begins at byte 300"),
}


@pytest.mark.parametrize("name", SECONDS)
def test_what_encoders_write_is_whole(name: str) -> None:
    """Every sample is whole, and plays as long as it does (B1)."""
    sound = listen(WHOLE[name])
    assert sound.flaw is None
    assert sound.duration is not None
    assert sound.duration.total_seconds() == pytest.approx(SECONDS[name])


@pytest.mark.parametrize("kind", FLAWED)
def test_broken_ones_say_what_and_how_much(kind: str) -> None:
    """What is cut, damaged or empty is told by a flaw, which keeps the body (B3)."""
    container, body, told = FLAWED[kind]
    assert told in (walk(container, io.BytesIO(body), len(body)).flaw or "")


@pytest.mark.parametrize("name", ["au_ffmpeg.au", "au_sox.au", "au_sox_wide.au"])
def test_every_cut_of_an_au_is_noticed(name: str) -> None:
    """An AU whose header names its length can't be cut unnoticed (B1)."""
    assert unnoticed(WHOLE[name]) == []


@pytest.mark.parametrize("name", ["aac_ffmpeg.aac", "aac_gst.aac", "amr_ffmpeg.amr", "amr_ffmpeg_wide.amr"])
def test_only_cuts_between_frames_go_unnoticed(name: str) -> None:
    """Bare frames that end with a frame look whole: a few cuts in a hundred, and the longest of them plays less."""
    body = WHOLE[name]
    silent = unnoticed(body)
    assert len(silent) * 10 < len(cut_points(body))
    durations = {listen(body[:length]).duration for length in silent}
    assert listen(body).duration not in durations


def test_an_id3_tag_behind_aac_is_no_junk() -> None:
    """A tag of ID3v1 behind the last frame takes nothing from the sound."""
    body = aac(125)
    tagged = body + b"TAG" + bytes(125)
    assert listen(tagged) == listen(body)


def test_an_id3_tag_before_aac_is_no_junk() -> None:
    """AAC behind a tag of ID3v2, as radio streams send it, is AAC all the same."""
    body = aac(125)
    assert listen(b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + body) == listen(body)


def test_what_is_none_of_them_is_refused() -> None:
    """A body that begins as nothing of that kind is no recording."""
    for container in ("amr", "au", "aac"):
        with pytest.raises(IntegrityError, match="the body begins"):
            walk(container, io.BytesIO(bytes(50)), 50)


@given(name=st.sampled_from(sorted(WHOLE)), place=st.integers(0, 2**13), noise=st.binary(max_size=30))
@settings(max_examples=200, derandomize=True, database=None, deadline=None)
def test_no_mutation_breaks_a_walk(name: str, place: int, noise: bytes) -> None:
    """Real files with noise in them, and noise behind their beginnings, end in a sound or in IntegrityError."""
    body, container = WHOLE[name], name.split("_", maxsplit=1)[0]
    for mutated in (body[:place] + noise + body[place + len(noise) :], body[: place % 40] + noise):
        with suppress(IntegrityError):
            assert isinstance(walk(container, io.BytesIO(mutated), len(mutated)), Sound)
