"""MP3s frame by frame: tags, promises and junk around them, and every cut that structure can show."""

import io
import struct
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.mp3 import walk_mp3
from archiver.pipeline.containers.sound import Sound

HEADER = b"\xff\xf3\x44\xc4"
"""MPEG-2 Layer III, 32 kbit/s, 24 kHz, mono: 96 bytes, 24 ms."""

FRAME = HEADER + b"\x55" * 92
FRAME_S = 0.024
FRAMES = FRAME * 20
NOISE = bytes(byte % 255 for byte in Random(5).randbytes(5000))
"""Without 0xFF, so that no frame can hide in it."""


def id3v2(content: bytes, version: int = 4, flags: int = 0, length: int | None = None) -> bytes:
    """An ID3v2 tag; ``flags`` with 0x10 gives it a footer."""
    size = len(content) if length is None else length
    rest = bytes([version, 0, flags, size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    return b"ID3" + rest + content + (b"3DI" + rest if flags & 0x10 else b"")


def ape(version: int = 2000, *, has_header: bool = True) -> bytes:
    """An APE tag of one value."""
    content = struct.pack("<II", 3, 0) + b"TITLE\0r-1"
    flags = 0x80000000 if has_header else 0
    footer = b"APETAGEX" + struct.pack("<IIII8x", version, len(content) + 32, 1, flags)
    header = b"APETAGEX" + struct.pack("<IIII8x", version, len(content) + 32, 1, flags | 0x20000000)
    return (header if has_header else b"") + content + footer


def xing(frames: int | None, size_bytes: int | None = None, name: bytes = b"Info", *, has_crc: bool = False) -> bytes:
    """A first frame that promises so much."""
    flags = (frames is not None) | (size_bytes is not None) << 1
    numbers = b"".join(struct.pack(">I", number) for number in (frames, size_bytes) if number is not None)
    header = b"\xff\xf2\x44\xc4" + bytes(2) if has_crc else HEADER
    return (header + bytes(9) + name + struct.pack(">I", flags) + numbers).ljust(96, b"\0")


def vbri(frames: int) -> bytes:
    """A first frame as Fraunhofer's encoder writes it."""
    return (HEADER + bytes(32) + b"VBRI" + struct.pack(">HHHII", 1, 0, 75, 0, frames)).ljust(96, b"\0")


ID3V1 = b"TAGr-1".ljust(128, b"\0")
ENHANCED = b"TAG+r-1".ljust(227, b"\0")
LYRICS = b"LYRICSBEGINLYR00003Yes"
LYRICS_2 = LYRICS + b"%06dLYRICS200" % len(LYRICS)
LYRICS_1 = b"LYRICSBEGIN[00:01]Yes" + b"LYRICSEND"

HEADS = {
    "nothing": b"",
    "id3v2.3": id3v2(b"TIT2" + NOISE, 3),
    "unsynchronised id3v2": id3v2(NOISE, 3, 0x80),
    "id3v2 with a footer": id3v2(NOISE, 4, 0x10),
    "two id3v2": id3v2(b"TIT2", 2) + id3v2(b"TIT2", 4),
    "zeros": bytes(3000),
    "an id3v2 whose length lies": id3v2(NOISE, length=2000),
}
TAILS = {
    "id3v1": ID3V1,
    "enhanced id3v1": ENHANCED + ID3V1,
    "apev2": ape(),
    "apev2 and id3v1": ape() + ID3V1,
    "lyrics1": LYRICS_1 + ID3V1,
    "lyrics2": LYRICS_2 + ID3V1,
    "all of them": ape() + LYRICS_2 + ENHANCED + ID3V1,
    "id3v2": id3v2(b"TIT2" + NOISE),
    "id3v2 with a footer": id3v2(b"TIT2", 4, 0x10),
}
BARE_TAILS = {"apev1": ape(1000, has_header=False), "apev1 and id3v1": ape(1000, has_header=False) + ID3V1}
TAG_EDGES = {
    "apev2 and id3v1": [len(ape())],
    "lyrics2": [len(LYRICS_2)],
    "lyrics1": [len(LYRICS_1)],
    "enhanced id3v1": [128],
    "all of them": [len(ape()), len(ape() + LYRICS_2), len(ape() + LYRICS_2) + 128],
}
"""Where a tag ends inside a tail; and the first 128 bytes of a TAG+ read as an old tag whose title begins with +."""

PROMISES = {
    "xing": xing(20, name=b"Xing"),
    "info": xing(20, 21 * 96),
    "info with a checksum": xing(20, 21 * 96, has_crc=True),
    "bytes alone": xing(None, 21 * 96),
    "vbri": vbri(21),
}


def listen(body: bytes) -> Sound:
    return walk_mp3(io.BytesIO(body), len(body))


def flaw(body: bytes) -> str | None:
    """The flaw of a body; that it holds no frame is one here."""
    try:
        return listen(body).flaw
    except IntegrityError as error:
        return str(error)


def sound(frames: int = 20) -> Sound:
    """What so many whole frames are."""
    return Sound(duration=timedelta(seconds=frames * FRAME_S))


@pytest.mark.parametrize("tail", ["", *TAILS, *BARE_TAILS])
@pytest.mark.parametrize("head", HEADS)
def test_tags_are_stepped_over(head: str, tail: str) -> None:
    """Tags and padding around the frames are neither a flaw nor a part of the duration."""
    assert listen(HEADS[head] + FRAMES + (TAILS | BARE_TAILS).get(tail, b"")) == sound()


@pytest.mark.parametrize("tail", TAILS)
def test_a_cut_tag_is_a_flaw(tail: str) -> None:
    """Tags at the end show every cut inside them; one before the first of them is a cut between two frames (B1)."""
    body = FRAMES + TAILS[tail]
    unnoticed = {length for length in range(len(FRAMES), len(body)) if flaw(body[:length]) is None}
    assert unnoticed <= {len(FRAMES) + edge for edge in TAG_EDGES.get(tail, ())} | {len(FRAMES)}


@pytest.mark.parametrize("head", HEADS)
def test_a_cut_frame_is_a_flaw(head: str) -> None:
    """Without any promise a cut shows everywhere but between two frames, and there the duration tells it (B1)."""
    body, begins_at = HEADS[head] + FRAMES, len(HEADS[head])
    unnoticed = [length for length in range(1, len(body)) if flaw(body[:length]) is None]
    count = 2 if head in {"zeros", "an id3v2 whose length lies"} else 1
    assert unnoticed == [begins_at + 96 * frames for frames in range(count, 20)]
    assert listen(body[: begins_at + 96 * 9]) == sound(9)


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_shows_every_cut(promise: str) -> None:
    """Where the first frame promises frames or bytes, it is no sound itself, and every cut is a flaw (B1)."""
    body = PROMISES[promise] + FRAMES
    assert listen(body) == sound()
    assert [length for length in range(1, len(body)) if flaw(body[:length]) is None] == []


def test_flaws_say_how_much_is_missing() -> None:
    """A flaw counts what is missing: frames of a promise, bytes of a frame or a tag."""
    assert flaw((xing(20) + FRAMES)[:-97]) == "the MP3 is cut: 2 of its 20 frames are missing"
    assert flaw(FRAMES[:-7]) == "the MP3 is cut: 7 bytes of its last frame are missing"
    assert flaw((FRAMES + TAILS["id3v2"])[:-7]) == "the MP3 is cut: 7 bytes of a tag are missing"
    assert flaw((xing(None, 21 * 96) + FRAMES)[:-96]) == (
        "the MP3 is cut: 96 of the bytes that its first frame counts are missing"
    )


@pytest.mark.parametrize("rest", [b"\xff", b"\xff\xf3\x44", b"T", b"TAGr-1", b"APETAGE", b"LYRICSB", b"ID3\x04\0"])
@pytest.mark.parametrize("promise", [b"", xing(20)], ids=["no promise", "info"])
def test_what_may_be_the_beginning_of_more_is_a_flaw(rest: bytes, promise: bytes) -> None:
    """A rest that a frame or a tag could begin with is a flaw, padding before it or not, whatever was promised (B1)."""
    for body in (promise + FRAMES + rest, promise + FRAMES + bytes(20) + rest):
        assert "is cut" in (flaw(body) or "")


def test_other_rests_need_a_promise() -> None:
    """Junk behind the last frame is a flaw unless a count proves the frames complete; a little padding is none."""
    assert flaw(FRAMES + b"junk") == "the last 4 bytes of the MP3 are no audio"
    assert listen(xing(20) + FRAMES + b"junk") == sound()
    assert listen(FRAMES + bytes(4096)) == sound()
    assert flaw(FRAMES + bytes(4097)) == "the last 4,097 bytes of the MP3 are no audio"
    assert listen(xing(20) + FRAMES + bytes(200_000)) == sound()


def test_counts_that_a_pipe_left_open_promise_nothing() -> None:
    """A promise of 0 frames is none; the frame that holds it is no sound all the same."""
    assert listen(xing(0, 0) + FRAMES) == sound()


def test_more_frames_than_promised_are_no_flaw() -> None:
    """Frames that somebody appended are sound."""
    assert listen(xing(20) + FRAMES + FRAMES) == sound(40)


@pytest.mark.parametrize("junk", [NOISE[:700], bytes(700), b"\xff" * 700, ID3V1, id3v2(NOISE), FRAME[:50], b"\xff\xf3"])
def test_junk_between_frames_is_stepped_over(junk: bytes) -> None:
    """As decoders do, the walk finds the next frame behind tags and junk; a frame that lost its end counts as one."""
    measured = listen(FRAMES + junk + FRAMES)
    assert measured.flaw is None
    assert measured.duration is not None
    assert abs(measured.duration - timedelta(seconds=40 * FRAME_S)) <= timedelta(seconds=FRAME_S)


def test_much_junk_is_a_flaw() -> None:
    """More than a block of a disk between the frames is lost sound, and the walk gives up where there is much more."""
    assert flaw(FRAMES + NOISE + FRAMES) == "5,000 bytes between the frames of the MP3 are no audio"
    assert flaw(FRAMES + bytes(70_000) + FRAMES) == "the last 71,920 bytes of the MP3 are no audio"
    assert "between the frames" in (flaw((FRAMES + NOISE * 12) * 30) or "")


def test_other_kinds_of_frames_are_measured_by_their_own_rate() -> None:
    """A body that changes layer, version or rate in its course is the sum of its parts."""
    layer_1, layer_2, mpeg_1 = b"\xff\xff\x14" + bytes(29), b"\xff\xfd\x14" + bytes(93), b"\xff\xfb\x14" + bytes(93)
    expected = 20 * FRAME_S + 10 * (384 + 1152 + 1152) / 48_000
    body = FRAMES + layer_1 * 10 + layer_2 * 10 + mpeg_1 * 10
    assert listen(body) == Sound(duration=timedelta(seconds=expected))


def test_frames_in_free_format() -> None:
    """Frames that don't say their length have that of their distance, padding apart."""
    plain, padded = b"\xff\xfb\x04\xc4" + bytes(196), b"\xff\xfb\x06\xc4" + bytes(197)
    body = (plain + plain + padded) * 20
    assert listen(body) == Sound(duration=timedelta(seconds=60 * 1152 / 48_000))
    assert flaw(body[:-1]) == "the MP3 is cut: 1 bytes of its last frame are missing"


@pytest.mark.parametrize("rest", [b"", NOISE, bytes(5000), b"\xff" * 5000, FRAME + NOISE, b"\xff\xd8\xff\xe0" + NOISE])
def test_a_tag_before_anything_else_is_no_mp3(rest: bytes) -> None:
    """Where no frame follows the tags there is no MP3 at all (B2)."""
    with pytest.raises(IntegrityError, match="not one frame"):
        listen(id3v2(b"TIT2") + rest)


def test_a_promise_alone_holds_no_audio() -> None:
    """An encoder that heard nothing writes a first frame alone: an MP3, but an empty one (B3)."""
    assert flaw(xing(0)) == "the MP3 holds no audio: no frame follows the first one, which only counts them"


@given(
    head=st.sampled_from([*HEADS.values(), *PROMISES.values(), FRAMES]),
    noise=st.binary(max_size=300),
    tail=st.sampled_from([b"", FRAMES, *TAILS.values(), *BARE_TAILS.values()]),
)
@settings(max_examples=300, derandomize=True, database=None, deadline=None)
def test_noise_is_heard_or_refused(head: bytes, noise: bytes, tail: bytes) -> None:
    """Whatever stands behind valid heads and before valid tails, nothing but IntegrityError is ever raised."""
    flaw(head + noise + tail)
    flaw(head + HEADER + noise + tail)
