"""WAVs by their own lengths: every sound layout passes, every cut is told."""

import io
import struct
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.wav import check_wav
from tests.unit.pipeline.sounds import EXTENSIBLE, FORMAT, MULAW, UNSET, chunk, riff, wav

SOUND = bytes(range(200)) * 3
FMT = chunk(b"fmt ", FORMAT)
DATA = chunk(b"data", SOUND)
LIST = chunk(b"LIST", b"INFOINAM\x04\x00\x00\x00r-1\x00")
DS64 = chunk(b"ds64", struct.pack("<QQQI", 0, len(SOUND), len(SOUND) // 2, 0))
BIG_ENDIAN = riff(chunk(b"fmt ", FORMAT, order=">"), chunk(b"data", SOUND, order=">"), magic=b"RIFX")

WHOLE = {
    "plain": riff(FMT, DATA),
    "mu-law": riff(chunk(b"fmt ", MULAW), DATA),
    "extensible": riff(chunk(b"fmt ", EXTENSIBLE), DATA),
    "list before the data": riff(FMT, LIST, DATA),
    "list behind the data": riff(FMT, DATA, LIST),
    "odd data, padded": riff(FMT, chunk(b"data", SOUND + b"x")),
    "odd data, not padded": riff(FMT, chunk(b"data", SOUND + b"x"))[:-1],
    "odd chunk before": riff(FMT, chunk(b"bext", b"abc"), DATA),
    "rf64": riff(DS64, FMT, chunk(b"data", SOUND, UNSET), magic=b"RF64", length=UNSET),
    "rifx": BIG_ENDIAN,
    "streamed, lengths unset": riff(FMT, chunk(b"data", SOUND, UNSET), length=UNSET),
    "streamed, lengths zero": riff(FMT, chunk(b"data", SOUND, 0), length=0),
    "streamed, header of an empty file": riff(FMT, chunk(b"data", SOUND, 0), length=36),
    "streamed by sox": riff(FMT, chunk(b"data", SOUND, 0x7FFFF000), length=0x7FFFF024),
    "header counted twice": riff(FMT, DATA, length=len(riff(FMT, DATA))),
    "junk behind the end": riff(FMT, DATA) + b"\xde\xad\xbe\xef" * 5,
    "one byte behind the end": riff(FMT, DATA) + b"x",
}
EMPTY = {
    "44 bytes": riff(FMT, chunk(b"data", b"")),
    "no data, then a list": riff(FMT, chunk(b"data", b""), LIST),
    "no data chunk": riff(FMT, LIST, chunk(b"JUNK", bytes(40))),
    "no format chunk": riff(DATA),
    "streamed and empty": riff(FMT, chunk(b"data", b"", UNSET), length=UNSET),
    "zeros": riff(bytes(200_000)),
}
CUTTABLE = [kind for kind in WHOLE if not kind.startswith(("streamed", "junk", "one byte", "header"))]


def check(body: bytes) -> None:
    check_wav(io.BytesIO(body), len(body))


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_wavs_pass(kind: str) -> None:
    """Any layout that writers use passes, streaming lengths and junk behind the end included (B1)."""
    check(WHOLE[kind])


@pytest.mark.parametrize("kind", EMPTY)
def test_wavs_without_audio_are_refused(kind: str) -> None:
    """A WAV of 44 bytes, one whose data length is 0 under a finished header, or without chunks is refused (B3)."""
    with pytest.raises(IntegrityError, match=r"no audio|no format"):
        check(EMPTY[kind])


@pytest.mark.parametrize("kind", CUTTABLE)
def test_every_cut_is_refused(kind: str) -> None:
    """A WAV that lacks any of its last 64 bytes, or ends anywhere else, is refused; padding alone may lack (B1)."""
    body, random = WHOLE[kind], Random(kind)
    lasts = range(2 if kind == "odd data, padded" else 1, 65)
    for cut in [len(body) - last for last in lasts] + random.choices(range(12, len(body) - 2), k=200):
        with pytest.raises(IntegrityError):
            check(body[:cut])


def test_the_error_says_how_much_is_missing() -> None:
    """The error of a cut WAV counts the missing bytes."""
    with pytest.raises(IntegrityError, match="100 bytes of its data chunk are missing"):
        check(wav()[:-100])


@given(noise=st.binary(max_size=300), magic=st.sampled_from([b"RIFF", b"RIFX", b"RF64"]))
@settings(max_examples=300, derandomize=True, database=None, deadline=None)
def test_noise_only_ever_is_refused(noise: bytes, magic: bytes) -> None:
    """Whatever follows the magic, the check passes or raises IntegrityError, and nothing else."""
    for body in (magic + noise[:4].ljust(4, b"\0") + b"WAVE" + noise, magic + b"\xff" * 4 + b"WAVEds64" + noise):
        try:
            check(body)
        except IntegrityError:
            continue
