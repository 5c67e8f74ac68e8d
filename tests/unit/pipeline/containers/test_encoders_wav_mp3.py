"""WAVs and MP3s that encoders really wrote: whole, cut, mutated, and beside other readers.

How each was made stands in tests/samples/audio/README_wav_mp3.md.
"""

import io
import wave
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinytag import ParseError, TinyTag

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.mp3 import walk_mp3
from archiver.pipeline.containers.mpeg import frame_of
from archiver.pipeline.containers.sniff import HEAD_BYTES, sniff
from archiver.pipeline.containers.wav import walk_wav
from tests.unit.pipeline.containers.cuts import cut_points, is_noticed, listen, unnoticed

FOLDER = Path(__file__).parents[3] / "samples" / "audio"
WAVS = sorted(path.name for path in FOLDER.glob("wav_*.wav"))
MP3S = sorted(path.name for path in FOLDER.glob("mp3_*.mp3"))

CALL_S, SHORT_S, STEREO_S = 2.4, 0.6, 1.2
"""What was recorded; encoders of MP3 add up to 0.2 s of silence, ADPCM fills its last block."""

SECONDS = {
    "mp3_ffmpeg_shine.mp3": STEREO_S,
    "mp3_ffmpeg_layer2.mp3": STEREO_S,
    "mp3_lame_vbr_crc.mp3": STEREO_S,
    "mp3_lame_freeformat.mp3": STEREO_S,
    "mp3_shine.mp3": STEREO_S,
    "mp3_twolame_layer2.mp3": STEREO_S,
    "wav_espeak.wav": 0.171,
    "wav_espeak_streamed.wav": 0.171,
    "wav_ffmpeg_gsm.wav": CALL_S,
    "wav_ffmpeg_mp3.wav": CALL_S,
    "wav_sox_gsm.wav": CALL_S,
}
SHORT_OF_ITS_END = "mp3_shine.mp3"
"""Its encoder leaves out the last two bytes of its last frame."""

MISREAD = {
    "mp3_lame_freeformat.mp3": "by a bit rate that free format has not",
    "wav_espeak_streamed.wav": "by the length of a stream",
    "wav_ffmpeg_streamed.wav": "by the length of a stream",
    "wav_lame_streamed.wav": "by the length of a stream",
    "wav_sox_streamed.wav": "by the length of a stream",
    "wav_ffmpeg_rf64.wav": "not at all",
    "wav_soundfile_rf64.wav": "not at all",
    "wav_sox_rifx.wav": "not at all",
}
"""What tinytag gets wrong, and how."""

STREAMED = [name for name in WAVS if "streamed" in name]
UNCOUNTED = [
    "mp3_ffmpeg_layer2.mp3",
    "mp3_ffmpeg_piped.mp3",
    "mp3_lame_headerless_id3v1.mp3",
    "mp3_lameenc.mp3",
    "mp3_shine.mp3",
    "mp3_sox.mp3",
    "mp3_twolame_layer2.mp3",
]
"""Without a promise of frames: a cut between two of them does not show."""

TAGGED = "mp3_lame_abr_tags.mp3"
"""Ends with an ID3v1 tag; without all of that its frames are complete all the same."""


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def seconds(body: bytes) -> float:
    duration = listen(body).duration
    assert duration is not None
    return duration.total_seconds()


def frame_edges(body: bytes) -> list[int]:
    """Where the frames of this body begin, and where the last one ends."""
    begins_at = 10 + body[9] + (body[8] << 7) if body.startswith(b"ID3") else 0
    edges = [begins_at]
    while (frame := frame_of(body[edges[-1] : edges[-1] + 3])) is not None:
        edges.append(edges[-1] + (frame.size_bytes or 0))
    return edges


def test_there_are_samples() -> None:
    """The samples are there, and all of them are small."""
    sizes = [len(read(name)) for name in WAVS + MP3S]
    assert (len(WAVS) >= 12, len(MP3S) >= 12, max(sizes) < 40_000, sum(sizes) < 400_000) == (True,) * 4


@pytest.mark.parametrize("name", WAVS + MP3S)
def test_what_encoders_write_is_whole(name: str) -> None:
    """Every sample is whole, but for the one whose encoder isn't, and plays as long as what was recorded (B1)."""
    body = read(name)
    expected = SECONDS.get(name, SHORT_S if name in WAVS else CALL_S)
    flaw = "the MP3 is cut: 2 bytes of its last frame are missing" if name == SHORT_OF_ITS_END else None
    assert sniff(body[:HEAD_BYTES]) == name[:3]
    assert listen(body).flaw == flaw
    assert seconds(body) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("name", sorted({*WAVS, *MP3S} - {*MISREAD}))
def test_another_reader_agrees(name: str) -> None:
    """tinytag measures the same to a frame, but for the samples that it is known to misread."""
    assert TinyTag.get(FOLDER / name).duration == pytest.approx(seconds(read(name)), abs=0.03)


@pytest.mark.parametrize("name", MISREAD)
def test_what_another_reader_misreads(name: str) -> None:
    """tinytag is far off or refuses where the walk is right: streams, long and big-endian WAVs, free format."""
    try:
        other = TinyTag.get(FOLDER / name).duration
    except ParseError:
        other = None
    assert (other is None) == (MISREAD[name] == "not at all")
    assert other is None or abs(other - seconds(read(name))) > 0.5


@pytest.mark.parametrize("name", ["wav_espeak.wav", "wav_wave.wav"])
def test_the_standard_library_agrees(name: str) -> None:
    """``wave`` counts the same frames in plain PCM."""
    with wave.open(str(FOLDER / name)) as other:
        expected = other.getnframes() / other.getframerate()
    assert seconds(read(name)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", sorted({*WAVS, *MP3S} - {*STREAMED, *UNCOUNTED, TAGGED}))
def test_every_cut_is_noticed(name: str) -> None:
    """However a sample is cut whose structure tells lengths or counts, its walk notices (B1)."""
    assert unnoticed(read(name)) == []


@pytest.mark.parametrize("name", STREAMED)
def test_a_cut_stream_is_shorter(name: str) -> None:
    """A WAV whose writer left its length open can't show a cut; its duration is that of what is there (B1)."""
    body = read(name)
    begins_at = body.index(b"data") + 8
    assert set(unnoticed(body)) == {length for length in cut_points(body) if length > begins_at}
    whole_s, half = seconds(body), begins_at + (len(body) - begins_at) // 2
    assert seconds(body[:half]) == pytest.approx(whole_s / 2, abs=0.001)


@pytest.mark.parametrize("name", UNCOUNTED)
def test_a_cut_between_frames_is_shorter(name: str) -> None:
    """Without a count only a cut between two frames is silent, and it costs as many frames of the duration (B1)."""
    body = read(name)
    edges = [edge for edge in frame_edges(body)[1:] if edge < len(body)]
    points = {*cut_points(body), *edges}
    assert {length for length in points if not is_noticed(body[:length])} == {*edges}
    frame_s = seconds(body[: edges[0]])
    for nth in (1, len(edges) // 2, len(edges)):
        assert seconds(body[: edges[nth - 1]]) == pytest.approx(nth * frame_s, abs=1e-4)


def test_a_tag_alone_may_be_missing() -> None:
    """Counted frames without the tag behind them are whole; every other cut of them is noticed (B1)."""
    body = read(TAGGED)
    points = [*cut_points(body), len(body) - 128]
    assert {length for length in points if not is_noticed(body[:length])} == {len(body) - 128}


MUTABLE = {name: read(name) for name in WAVS + MP3S}


@given(name=st.sampled_from(sorted(MUTABLE)), seed=st.integers(0, 2**32), count=st.integers(1, 40))
@settings(max_examples=300, derandomize=True, database=None, deadline=None)
def test_mutated_samples_never_break_a_walk(name: str, seed: int, count: int) -> None:
    """Bytes changed, cut out and doubled anywhere: a walk tells a sound or refuses, and nothing else."""
    random, body = Random(seed), bytearray(MUTABLE[name])
    for _ in range(count):
        at = random.randrange(min(len(body), random.choice([64, 600, 40_000])))
        body[at : at + random.choice([0, 1, 1, 1, 500])] = random.randbytes(random.choice([0, 1, 1, 1, 30]))
        if len(body) < 64:
            break
    for walker in (walk_wav, walk_mp3):
        with suppress(IntegrityError):
            walker(io.BytesIO(bytes(body)), len(body))
