"""Oggs by their pages: every whole one passes, and whatever lacks, repeats or differs is told."""

import io
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.ogg import walk_ogg
from archiver.pipeline.containers.ogg_pages import pages
from archiver.pipeline.containers.sound import Sound
from tests.unit.pipeline.containers.cuts import unnoticed
from tests.unit.pipeline.containers.oggs import BEGIN, END, FLAC, FRAME, OPUS, SPEEX, THEORA, VORBIS, opus, page

SECOND = 48_000 + 312
PLAIN = opus(960, 24_000, SECOND)
OTHER = opus(960, SECOND, serial=8)
VIDEO = opus(1, 2, 3, serial=9, head=THEORA)

WHOLE = {
    "plain": (PLAIN, 1.0),
    "ended by an empty page": ([*opus(960, SECOND, last_flags=0), page([], 4, SECOND, flags=END)], 1.0),
    "pages on which no packet ends": (
        [*opus(960, last_flags=0), page([], 3, -1), page([FRAME], 4, SECOND, flags=END)],
        1,
    ),
    "chained": ([*PLAIN, *OTHER], 2.0),
    "chained, one number for both": ([*PLAIN, *PLAIN], 2.0),
    "beside video": ([VIDEO[0], PLAIN[0], *VIDEO[1:], *PLAIN[1:]], 1.0),
    "two at once, the longer counts": ([PLAIN[0], OTHER[0], *PLAIN[1:], *OTHER[1:3], opus(1, 960, serial=8)[3]], 1.0),
    "beside an unknown stream": ([PLAIN[0], *opus(5, serial=9, head=b"who knows"), *PLAIN[1:]], 1.0),
    "recorded out of a running stream": (opus(480_000, 480_000 + SECOND - 960, first=500), 1.0),
    "numbers that begin again at 0": (opus(960, SECOND, first=0xFFFFFFFE), 1.0),
    "vorbis": (opus(0, 256, 8000, head=VORBIS), 1.0),
    "speex": (opus(320, 8000, head=SPEEX), 1.0),
    "flac": (opus(4096, 8000, head=FLAC), 1.0),
}
FLAWED = {
    "1 of its streams go on": (opus(960, SECOND, last_flags=0), "never finished: 1 of its streams go on"),
    "a link without a last page": ([*opus(960, last_flags=0), *OTHER], "1 of its streams go on"),
    "one of two without a last page": (
        [PLAIN[0], *OTHER[:3], *PLAIN[1:], page([FRAME], 3, 1920, serial=8)],
        "1 of its streams go on",
    ),
    "a page lost": ([*PLAIN[:3], *PLAIN[4:]], "at byte 160 lies page 4 of a stream where page 3 should be"),
    "a page twice": ([*PLAIN[:3], *PLAIN[2:]], "repeats pages: at byte 160 lies page 2 of a stream where page 3"),
    "no beginning": (PLAIN[1:], "lacks the beginning of the stream whose page is at byte 0"),
    "junk behind it": ([*PLAIN, b"junk!"], "5 bytes of the Ogg, from byte 298 on, are no Ogg page"),
    "zeros between": ([*PLAIN[:2], bytes(100), *PLAIN[2:]], "from byte 91 on"),
    "goes on behind its end": ([*PLAIN, page([FRAME], 5, SECOND + 960)], "goes on at byte"),
    "two beginnings of one number": ([PLAIN[0], *PLAIN], "one too many"),
    "300 streams at once": ([page([OPUS], 0, flags=BEGIN, serial=n) for n in range(300)], "one too many"),
    "an unknown codec": (opus(5, 9, head=b"CELT    "), "nobody here knows the codec"),
    "no sound": (opus(0), "holds no sound behind its headers"),
    "only what players skip": (opus(300), "holds no sound"),
    "a rate of 0": (opus(5, head=VORBIS[:12] + bytes(4) + VORBIS[16:]), "no sound"),
    "a granule of centuries": (opus(960, 2**63 - 1), "none of a length that can be"),
}
SILENT = {"video alone": VIDEO, "a skeleton alone": opus(1, head=b"fishead\0")}


def walk(parts: list[bytes]) -> Sound:
    body = b"".join(parts)
    return walk_ogg(io.BytesIO(body), len(body))


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_oggs_pass(kind: str) -> None:
    """Every layout that writers use passes, and plays as long as its positions say (B1)."""
    parts, seconds = WHOLE[kind]
    sound = walk(parts)
    assert sound.flaw is None
    assert sound.duration is not None
    assert sound.duration.total_seconds() == pytest.approx(seconds)


@pytest.mark.parametrize("kind", FLAWED)
def test_broken_oggs_say_what_and_how_much(kind: str) -> None:
    """What lacks, repeats, differs or is unknown is told by a flaw, which keeps the body (B3)."""
    parts, told = FLAWED[kind]
    assert told in (walk(parts).flaw or "")


@pytest.mark.parametrize("kind", SILENT)
def test_an_ogg_without_sound_is_refused(kind: str) -> None:
    """A whole Ogg that carries video or nothing is no recording."""
    with pytest.raises(IntegrityError, match="carries no sound"):
        walk(SILENT[kind])


@pytest.mark.parametrize("kind", ["plain", "chained", "beside video", "speex"])
def test_every_cut_is_noticed(kind: str) -> None:
    """However much is missing, it is noticed; but a chain may well end behind one of its links (B1)."""
    body = b"".join(WHOLE[kind][0])
    edge = {len(b"".join(PLAIN))} if kind == "chained" else set()
    assert set(unnoticed(body)) <= edge


def test_a_cut_inside_a_page_is_counted() -> None:
    """The flaw of a page that is cut says how many bytes it lacks; of a cut header, that it is one."""
    body = b"".join(PLAIN)
    assert walk([body[:-17]]).flaw == "the Ogg is cut: its last page lacks 17 bytes"
    assert "inside the header" in (walk([body[:-42]]).flaw or "")
    assert "inside the header" in (walk([body[:-67]]).flaw or "")


def test_a_flaw_leaves_the_duration_of_what_is_there() -> None:
    """A cut Ogg plays as far as its whole pages go."""
    sound = walk([*PLAIN[:4], PLAIN[4][:-1]])
    assert sound.flaw is not None
    assert sound.duration is not None
    assert sound.duration.total_seconds() == pytest.approx((24_000 - 312) / 48_000)


def test_a_flipped_bit_is_told_with_its_page() -> None:
    """A page whose checksum differs is damaged; nothing else of it is believed."""
    damaged = bytearray(PLAIN[3])
    damaged[-1] ^= 1
    assert walk([*PLAIN[:3], bytes(damaged), PLAIN[4]]).flaw == (
        "the Ogg is damaged: its page at byte 160 has a wrong checksum"
    )


@given(packets=st.lists(st.binary(max_size=254), max_size=8), granule=st.integers(-(2**63), 2**63 - 1))
@settings(max_examples=100, derandomize=True, database=None, deadline=None)
def test_the_checksum_is_that_of_the_specification(packets: list[bytes], granule: int) -> None:
    """The checksum by zlib over mirrored bytes equals the one computed bit by bit."""
    body = page(packets, 3, granule)
    (read,) = pages(io.BytesIO(body), len(body))
    assert (read.is_intact, read.granule, read.packet_count) == (True, granule, len(packets))


@given(
    heads=st.lists(
        st.tuples(st.sampled_from([OPUS, VORBIS, SPEEX, FLAC, THEORA]), st.integers(0, 70), st.binary(max_size=60)),
        max_size=3,
    ),
    granules=st.lists(
        st.tuples(st.integers(0, 3), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=3)), max_size=5
    ),
)
@settings(max_examples=200, derandomize=True, database=None, deadline=None)
def test_no_numbers_break_it(heads: list[tuple[bytes, int, bytes]], granules: list[tuple[int, int, bytes]]) -> None:
    """Whatever intact pages say, the walk ends in a sound or in IntegrityError (B3)."""
    parts = [page([(h[:n] + t)[:254]], 0, flags=BEGIN, serial=s) for s, (h, n, t) in enumerate(heads)]
    parts += [page([packet], 1, granule, flags=END, serial=s) for s, granule, packet in granules]
    with suppress(IntegrityError):
        assert walk(parts).duration != timedelta()


@given(noise=st.binary(max_size=300))
@settings(max_examples=200, derandomize=True, database=None, deadline=None)
def test_noise_is_a_flaw(noise: bytes) -> None:
    """Noise behind the magic, or behind a whole beginning, is a flaw and nothing worse."""
    assert walk([b"OggS", noise]).flaw is not None
    assert walk([*PLAIN[:3], noise]).flaw is not None
