"""WAVs by their own lengths: every sound layout passes, every cut is told, and what is there is measured."""

import io
import struct
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.sound import Sound
from archiver.pipeline.containers.wav import walk_wav
from tests.unit.pipeline.sounds import EXTENSIBLE, FORMAT, MULAW, UNSET, chunk, riff, wav

SOUND = bytes(range(200)) * 3
FMT = chunk(b"fmt ", FORMAT)
DATA = chunk(b"data", SOUND)
LIST = chunk(b"LIST", b"INFOINAM\x04\x00\x00\x00r-1\x00")
BIG_FORMAT = struct.pack(">HHIIHH", 1, 1, 8000, 16000, 2, 16)


def ds64(riff_bytes: int = 0, audio_bytes: int = len(SOUND)) -> bytes:
    """The long lengths of a WAV; 0 leaves one open."""
    return chunk(b"ds64", struct.pack("<QQQI", riff_bytes, audio_bytes, audio_bytes // 2, 0))


LONG_BYTES = len(riff(ds64(), FMT, DATA)) - 8
WHOLE = {
    "plain": riff(FMT, DATA),
    "mu-law": riff(chunk(b"fmt ", MULAW), DATA),
    "extensible": riff(chunk(b"fmt ", EXTENSIBLE), DATA),
    "list before the format": riff(LIST, FMT, DATA),
    "list before the data": riff(FMT, LIST, DATA),
    "list behind the data": riff(FMT, DATA, LIST),
    "format behind the data": riff(DATA, FMT),
    "a padding chunk behind the data": riff(FMT, DATA, chunk(b"PAD ", bytes(4))),
    "odd data, padded": riff(FMT, chunk(b"data", SOUND + b"x")),
    "odd data, not padded": riff(FMT, chunk(b"data", SOUND + b"x"))[:-1],
    "odd chunk before": riff(FMT, chunk(b"bext", b"abc"), DATA),
    "rf64": riff(ds64(), FMT, chunk(b"data", SOUND, UNSET), magic=b"RF64", length=UNSET),
    "bw64": riff(ds64(LONG_BYTES), FMT, chunk(b"data", SOUND, UNSET), magic=b"BW64", length=UNSET),
    "rifx": riff(chunk(b"fmt ", BIG_FORMAT, order=">"), chunk(b"data", SOUND, order=">"), magic=b"RIFX"),
    "streamed, lengths unset": riff(FMT, chunk(b"data", SOUND, UNSET), length=UNSET),
    "streamed, lengths zero": riff(FMT, chunk(b"data", SOUND, 0), length=0),
    "streamed by sox": riff(FMT, chunk(b"data", SOUND, 0x7FFFF000), length=0x7FFFF024),
    "streamed, but the data counted": riff(FMT, DATA, length=0x7FFFF024),
    "streamed by lame": riff(FMT, chunk(b"data", SOUND, 0x7FFFFFFF), length=0x80000023),
    "streamed, less its header": riff(FMT, chunk(b"data", SOUND, UNSET - 44), length=UNSET),
    "streamed, long": riff(ds64(0, 0), FMT, chunk(b"data", SOUND, UNSET), magic=b"RF64", length=UNSET),
    "header counted twice": riff(FMT, DATA, length=len(riff(FMT, DATA))),
    "junk behind the end": riff(FMT, DATA) + b"\xde\xad\xbe\xef" * 5,
    "one byte behind the end": riff(FMT, DATA) + b"x",
}
EMPTY = {
    "44 bytes": riff(FMT, chunk(b"data", b"")),
    "no data, then a list": riff(FMT, chunk(b"data", b""), LIST),
    "audio behind the header of an empty file": riff(FMT, chunk(b"data", SOUND, 0), length=36),
    "no data chunk": riff(FMT, LIST, chunk(b"JUNK", bytes(40))),
    "no format chunk": riff(DATA),
    "a format of 13 bytes": riff(chunk(b"fmt ", FORMAT[:13]), DATA),
    "streamed and empty": riff(FMT, chunk(b"data", b"", UNSET), length=UNSET),
    "zeros": riff(bytes(200_000)),
}
CUTTABLE = [kind for kind in WHOLE if not kind.startswith(("streamed", "junk", "one byte", "header"))]


def listen(body: bytes) -> Sound:
    return walk_wav(io.BytesIO(body), len(body))


def seconds(body: bytes) -> float | None:
    duration = listen(body).duration
    return None if duration is None else duration.total_seconds()


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_wavs_pass(kind: str) -> None:
    """Any layout that writers use passes, streaming lengths and junk behind the end included, and is measured (B1)."""
    sound = listen(WHOLE[kind])
    bytes_per_s = 8000 if kind == "mu-law" else 16000
    assert sound == Sound(duration=timedelta(seconds=len(SOUND) / bytes_per_s))


@pytest.mark.parametrize("kind", EMPTY)
def test_wavs_without_audio_are_flawed(kind: str) -> None:
    """A WAV of 44 bytes, one whose data length is 0 under a finished header, or without chunks is flawed (B3)."""
    flaw = listen(EMPTY[kind]).flaw
    assert flaw is not None
    assert "no audio" in flaw or "no format" in flaw


@pytest.mark.parametrize("kind", CUTTABLE)
def test_every_cut_is_a_flaw(kind: str) -> None:
    """A WAV that ends anywhere but at its end is flawed; padding alone may lack (B1)."""
    body, random = WHOLE[kind], Random(kind)
    lasts = range(2 if kind == "odd data, padded" else 1, 65)
    for length in [len(body) - last for last in lasts] + random.choices(range(12, len(body) - 2), k=200):
        assert listen(body[:length]).flaw is not None, f"cut to {length} of {len(body)}"


def test_the_flaw_says_how_much_is_missing() -> None:
    """The flaw of a cut WAV counts the missing bytes, and its duration is that of what is there."""
    sound = listen(wav()[:-100])
    assert sound == Sound(
        duration=timedelta(seconds=924 / 16000), flaw="the WAV is cut: 100 bytes of its data chunk are missing"
    )


def test_a_missing_chunk_behind_the_data_is_a_flaw() -> None:
    """A WAV cut at the end of its data is flawed by the chunk that its header counts."""
    assert listen(WHOLE["list behind the data"][: -len(LIST)]).flaw == (
        f"the WAV is cut: {len(LIST)} bytes behind its audio are missing"
    )


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (struct.pack("<HHIIHH", 1, 1, 8000, 0, 2, 16), 600 / 16000),
        (struct.pack("<HHIIHH", 1, 1, 8000, 16000, 0, 16), 600 / 16000),
        (struct.pack("<HHIIHH", 1, 1, 8000, 4, 2, 16), 600 / 16000),
        (struct.pack("<HHIIHH", 1, 1, 8000, 0, 0, 16), None),
        (struct.pack("<HHIIHH", 1, 1, 0, 0, 2, 16), None),
        (struct.pack("<HHIIHH", 0x55, 1, 8000, 3000, 1, 0), 600 / 3000),
        (struct.pack("<HHIIHHHH", 0x31, 1, 8000, 1625, 65, 0, 2, 320), 600 * 320 // 65 / 8000),
        (struct.pack("<HHIIHHHH", 0x11, 1, 8000, 0, 256, 4, 2, 505), 600 * 505 // 256 / 8000),
        (struct.pack("<HHIIHHHH", 0x11, 1, 8000, 4055, 256, 4, 2, 0), 600 / 4055),
        (struct.pack("<HHIIHHHH", 0x11, 1, 8000, 0, 0, 4, 2, 505), None),
    ],
    ids=lambda value: value.hex() if isinstance(value, bytes) else "",
)
def test_durations_of_odd_formats(form: bytes, expected: float | None) -> None:
    """Compressed audio is measured by its blocks or its rate; rates and blocks of 0 leave the duration open."""
    measured = seconds(riff(chunk(b"fmt ", form), DATA))
    assert measured == (None if expected is None else pytest.approx(expected, abs=1e-6))


def test_the_padding_of_the_last_block_is_no_sound() -> None:
    """The fact chunk ends the duration of compressed audio, and never lengthens it."""
    form = chunk(b"fmt ", struct.pack("<HHIIHHHH", 0x31, 1, 8000, 1625, 65, 0, 2, 320))
    for samples, expected in ((2900, 2900 / 8000), (0, 3200 / 8000), (UNSET, 3200 / 8000)):
        fact = chunk(b"fact", struct.pack("<I", samples))
        assert seconds(riff(form, fact, chunk(b"data", bytes(650)))) == pytest.approx(expected)


def test_what_is_no_wav_is_refused() -> None:
    """A body without the WAVE of its opening is no flawed WAV but none at all (B2)."""
    with pytest.raises(IntegrityError, match="no WAV"):
        listen(b"RIFF\x24\0\0\0WEBP" + bytes(100))


@given(noise=st.binary(max_size=300), magic=st.sampled_from([b"RIFF", b"RIFX", b"RF64"]))
@settings(max_examples=300, derandomize=True, database=None, deadline=None)
def test_noise_only_ever_is_flawed(noise: bytes, magic: bytes) -> None:
    """Whatever follows the magic, the walk tells a sound and raises nothing."""
    listen(magic + noise[:4].ljust(4, b"\0") + b"WAVE" + noise)
    listen(magic + b"\xff" * 4 + b"WAVEds64" + noise)
    listen(riff(chunk(b"fmt ", noise), chunk(b"fact", noise), chunk(b"data", noise), magic=magic))


def test_much_behind_the_end_is_a_flaw() -> None:
    """A tag behind the end passes; half a megabyte of zeros is something else than the call (B3)."""
    assert listen(wav() + bytes(1000)).flaw is None
    assert listen(wav() + bytes(500_000)).flaw == "500,000 bytes that are no WAV follow it"
