"""Oggs and MP4s that encoders really wrote: whole, cut, flipped, mutated, and beside another reader.

How each was made stands in tests/samples/audio/README_ogg_m4a.md.
"""

import io
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinytag import TinyTag

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.mp4_boxes import top_boxes
from archiver.pipeline.containers.sound import Sound
from tests.unit.pipeline.containers.cuts import cut_points, is_noticed, listen, unnoticed

FOLDER = Path(__file__).parents[3] / "samples" / "audio"
OGGS = sorted(path.name for path in FOLDER.glob("ogg_*.ogg"))
MP4S = sorted(path.name for path in FOLDER.glob("m4a_*.m4a"))

SPOKEN = 2.62325
"""Seconds of the recording that all samples but the short ones hold."""
SECONDS = {
    "ogg_chained.ogg": 2 * SPOKEN,
    "ogg_flac.ogg": 0.5,
    "ogg_ffmpeg_flac.ogg": 0.5,
    "m4a_ffmpeg_quicktime_ima.m4a": 0.5,
    "m4a_ffmpeg_quicktime_pcm.m4a": 0.5,
}
ENCODER_DELAY = 0.2
"""Seconds: AAC at 8 kHz puts 1,024 or 2,048 samples in front, and fills its last frame."""

MISREAD = {
    "ogg_chained.ogg": SPOKEN,
    "ogg_multiplexed.ogg": 0.5,
    "ogg_ffmpeg_flac.ogg": 0.0,
    "m4a_ffmpeg_fragments.m4a": 0.0,
    "m4a_ffmpeg_hybrid.m4a": 1.024,
    "m4a_ffmpeg_sidx.m4a": 0.0,
    "m4a_gst_fragments.m4a": 0.0,
    "m4a_js_fragmented.m4a": 0.0,
}
"""What tinytag says where it is wrong: it reads one stream of an Ogg, and no fragments."""

SILENT_CUTS = {
    "m4a_ffmpeg_fragments.m4a": [b"moof"] * 5 + [b"mfra"],
    "m4a_ffmpeg_hybrid.m4a": [b"moof"] * 2 + [b"mfra"],
    "m4a_ffmpeg_sidx.m4a": [b"mfra"],
    "m4a_gst_fragments.m4a": [b"mfra"],
    "m4a_js_fragmented.m4a": [b"moof"] * 2 + [b"mfra"],
}
"""The boxes in front of which a cut leaves a file that is whole by all it says. An mfra is no sound; a moof is."""


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def test_there_are_samples() -> None:
    """The samples are there, and all of them are small."""
    sizes = [len(read(name)) for name in OGGS + MP4S]
    assert (len(OGGS) >= 12, len(MP4S) >= 12, max(sizes) < 40_000, sum(sizes) < 400_000) == (True,) * 4


@pytest.mark.parametrize("name", OGGS + MP4S)
def test_what_encoders_write_is_whole(name: str) -> None:
    """Every sample is whole, and plays as long as what was recorded (B1)."""
    sound = listen(read(name))
    assert sound.flaw is None
    assert sound.duration is not None
    assert sound.duration.total_seconds() == pytest.approx(SECONDS.get(name, SPOKEN), abs=ENCODER_DELAY)


@pytest.mark.parametrize("name", OGGS + MP4S)
def test_another_reader_agrees(name: str) -> None:
    """tinytag reads the same duration, but for the files that it is known to misread."""
    duration = listen(read(name)).duration
    other = TinyTag.get(FOLDER / name).duration
    assert duration is not None
    expected = MISREAD.get(name, duration.total_seconds())
    assert other == pytest.approx(expected, abs=ENCODER_DELAY)


@pytest.mark.parametrize("name", OGGS)
def test_every_cut_of_an_ogg_is_noticed(name: str) -> None:
    """However much of an Ogg is missing, it is noticed (B1)."""
    assert unnoticed(read(name)) == []


@pytest.mark.parametrize("name", MP4S)
def test_every_cut_of_an_mp4_is_noticed(name: str) -> None:
    """So it is of an MP4, but for cuts in front of those boxes of which no structure tells (B1)."""
    body = read(name)
    boxes = [box for box in top_boxes(io.BytesIO(body), len(body)) if box.start]
    silent = [box for box in boxes if not is_noticed(body[: box.start])]
    assert [box.kind for box in silent] == SILENT_CUTS.get(name, [])
    assert set(unnoticed(body)) == {box.start for box in silent} & set(cut_points(body))


@pytest.mark.parametrize("name", OGGS)
def test_every_flipped_bit_of_an_ogg_is_noticed(name: str) -> None:
    """A bit that flips anywhere in an Ogg is noticed: every byte lies under a checksum."""
    body, random = read(name), Random(1)
    for _ in range(200):
        flipped = bytearray(body)
        flipped[random.randrange(len(body))] ^= 1 << random.randrange(8)
        assert is_noticed(bytes(flipped))


@given(
    name=st.sampled_from(OGGS + MP4S), places=st.lists(st.integers(0, 2**16), max_size=4), noise=st.binary(max_size=9)
)
@settings(max_examples=300, derandomize=True, database=None, deadline=None)
def test_no_mutation_breaks_a_walk(name: str, places: list[int], noise: bytes) -> None:
    """Real files with noise in them end in a sound or in IntegrityError, and never play no time at all."""
    body = bytearray(read(name))
    for place in places:
        at = 8 + place % (len(body) - 8)
        body[at : at + len(noise)] = noise
    with suppress(IntegrityError):
        sound = listen(bytes(body))
        assert isinstance(sound, Sound)
        assert sound.duration != timedelta()
