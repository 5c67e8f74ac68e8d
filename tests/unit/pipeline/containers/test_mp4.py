"""MP4s by their boxes and tables: every whole one passes, and whatever is cut, lies elsewhere or is broken is told."""

import io
import struct
import tracemalloc
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.mp4 import walk_mp4
from archiver.pipeline.containers.sound import Sound
from tests.unit.pipeline.containers.cuts import unnoticed
from tests.unit.pipeline.containers.mp4s import (
    EMPTY,
    FTYP,
    TREX,
    box,
    fragment,
    fragmented,
    ints,
    last,
    m4a,
    mdat,
    moov,
    stbl,
    stsz,
    ticks,
    trak,
)

FREE = box(b"free", bytes(20))
LONG_MDAT = struct.pack(">I4sQ", 1, b"mdat", 216) + bytes(200)
OPEN_MDAT = m4a()[:-208] + box(b"mdat", bytes(200), length=0)
LONG_HEADER = box(b"mdhd", ints(1 << 24, 0, 0, 0, 0, 8000, 0, 480, 0))
TWO_MDATS = box(b"stco", ints(0, 2, 32, 32 + 160 + 8))
PACKETS = stbl(
    32,
    stsd=box(b"stsd", ints(0, 1), box(b"ima4", bytes(8), ints(1 << 16, 0, 0, 0, 0), ints(64, 34, 34, 2))),
    stsz=box(b"stsz", ints(0, 1, 480)),
    stsc=box(b"stsc", ints(0, 1, 1, 240, 1)),
    stco=box(b"stco", ints(0, 2, 32, 32 + 136)),
)
SIDX = box(b"sidx", ints(0, 1, 8000, 0, 0), struct.pack(">HH", 0, 2), ints(len(fragment()), 320, 0) * 2)
LONG_SIDX = box(
    b"sidx", ints(1 << 24, 1, 8000, 0, 0, 0, 0), struct.pack(">HH", 0, 2), ints(len(fragment()), 320, 0) * 2
)
MEHD = box(b"mehd", ints(0, 360))
LONG_MEHD = box(b"mehd", ints(1 << 24, 0, 360))

WHOLE = {
    "moov in front": (m4a(), 60),
    "moov behind": (last(stbl(32)), 60),
    "free, skip, uuid, udta": (m4a(behind=FREE + box(b"skip") + box(b"uuid", bytes(16)) + box(b"udta", bytes(4))), 60),
    "a length of 64 bits": (last(stbl(40), media=LONG_MDAT), 60),
    "mdat to the end": (OPEN_MDAT, 60),
    "offsets of 64 bits": (last(stbl(32, stco=box(b"co64", struct.pack(">IIQQ", 0, 2, 32, 192)))), 60),
    "sizes of 8 bits": (last(stbl(32, stsz=box(b"stz2", ints(0, 8, 3), bytes([100, 60, 40])))), 60),
    "sizes of 16 bits": (last(stbl(32, stsz=box(b"stz2", ints(0, 16, 3), struct.pack(">3H", 100, 60, 40)))), 60),
    "sizes of 4 bits": (last(stbl(32, stsz=box(b"stz2", ints(0, 4, 3), b"\xff\xf0"))), 60),
    "samples all alike": (last(stbl(32, stsz=box(b"stsz", ints(0, 40, 3)))), 60),
    "packets of quicktime": (last(PACKETS, media=mdat(bytes(272))), 60),
    "two mdats": (last(stbl(32, stco=TWO_MDATS), media=mdat(bytes(160)) + mdat(bytes(40))), 60),
    "headers of 64 bits": (last(stbl(32), mdhd=LONG_HEADER), 60),
    "beside video": (FTYP + mdat() + moov(trak(stbl(32), kind=b"vide", number=2), trak(stbl(32))), 60),
    "terminated as by quicktime": (FTYP + mdat() + moov(trak(stbl(32)), bytes(4)), 60),
    "fragments": (fragmented(fragment(), fragment(3)), 100),
    "fragments that tell all": (fragmented(fragment(tell=0x300), fragment(tell=0x300), extends=b""), 80),
    "a fragment's place counted from itself": (fragmented(fragment(flags=0)), 40),
    "fragments named by sidx": (fragmented(fragment(), fragment(), behind=SIDX), 80),
    "fragments named by a long sidx": (fragmented(fragment(), fragment(), behind=box(b"styp") + LONG_SIDX), 80),
    "fragments as long as mehd says": (fragmented(*[fragment()] * 9, extends=MEHD + TREX), 360),
    "a long mehd": (fragmented(*[fragment()] * 9, extends=LONG_MEHD + TREX), 360),
    "fragments as long as the track says": (fragmented(*[fragment()] * 9, claimed=2880), 360),
}
FLAWED = {
    "cut media": (m4a()[:-117], "the MP4 is cut: its mdat lacks 117 bytes"),
    "cut header of the movie": (last(stbl(32))[:-10], "the MP4 is cut: its moov lacks 10 bytes"),
    "cut between boxes": (FTYP + mdat(), "cut, or was never finished: it has no moov"),
    "cut in a box's header": (m4a(behind=FREE[:5]), "inside the header of its last box"),
    "cut in a long header": (m4a(behind=ints(1) + b"mdat" + bytes(4)), "inside the header of its last box"),
    "cut mdat to the end": (OPEN_MDAT[:-50], "samples reach 10 bytes beyond its end"),
    "media lost": (m4a()[:-208], "beyond its end"),
    "junk behind it": (m4a(behind=bytes(100)), "100 bytes of the MP4, from byte"),
    "a box shorter than its header": (m4a(behind=box(b"free", length=5)), "8 bytes of the MP4"),
    "samples outside the media": (last(stbl(20)), "160 bytes of samples at byte 20 lie outside its mdat"),
    "samples between two mdats": (last(stbl(32), media=mdat(bytes(150)) + mdat(bytes(90))), "outside its mdat"),
    "samples nowhere": (last(stbl(32, stsz=stsz((50, 50, 40, 50)))), "1 of its 4 samples lie nowhere"),
    "chunks out of order": (last(stbl(32, stsc=box(b"stsc", ints(0, 2, 2, 2, 1, 1, 1, 1)))), "out of order"),
    "a box that does not fit": (last(stbl(32, stsz=box(b"stsz", length=999))), "a stsz does not fit in its stbl"),
    "a table that does not fit": (last(stbl(32, stsz=box(b"stsz", ints(0, 0, 2**32 - 1)))), "4,294,967,295 numbers"),
    "sizes of 7 bits": (last(stbl(32, stsz=box(b"stz2", ints(0, 7, 3)))), "sizes of 7 bits"),
    "no sizes": (last(stbl(32, stsz=b"")), "a stbl has no stz2"),
    "no tables": (last(b""), "has no mdia/minf/stbl"),
    "a short header": (FTYP + mdat() + moov(box(b"trak", box(b"tkhd", ints(0)))), "a tkhd of 12 bytes is too short"),
    "a compressed moov": (FTYP + mdat() + box(b"moov", box(b"cmov", bytes(50))), "it is compressed"),
    "300 tracks": (FTYP + mdat() + moov(*(trak(EMPTY, number=n) for n in range(300))), "more than 256"),
    "two tracks of one number": (FTYP + mdat() + moov(*[trak(stbl(32))] * 2), "two tracks 1"),
    "no samples": (last(EMPTY), "its sound tracks are empty"),
    "no fragments": (fragmented(), "its sound tracks are empty"),
    "a fragment of no track": (fragmented(fragment(number=5)), "a fragment of track 5"),
    "a fragment without its media": (fragmented(fragment()[:-108]), "cut: samples reach 108 bytes beyond its end"),
    "a fragment that lies elsewhere": (fragmented(fragment(offset=-20)), "outside its mdat"),
    "one fragment less than sidx names": (fragmented(fragment(), behind=SIDX), f"lacks {len(fragment())} bytes"),
    "fragments less than mehd says": (fragmented(fragment(), extends=MEHD + TREX), "it lacks 0.3 of 0.4 s"),
    "fragments less than the track says": (fragmented(fragment(), claimed=8000), "it lacks 1.0 of 1.0 s"),
}
SILENT = {
    "video alone": FTYP + mdat() + moov(trak(stbl(32), kind=b"vide")),
    "a cut video": FTYP + moov(trak(stbl(32), kind=b"vide")) + mdat()[:-1],
    "no track": FTYP + mdat() + moov(),
    "an image": box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", bytes(40)) + mdat(),
}


def walk(body: bytes) -> Sound:
    return walk_mp4(io.BytesIO(body), len(body))


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_mp4s_pass(kind: str) -> None:
    """Every layout that writers use passes, and plays as long as its tables say (B1)."""
    body, milliseconds = WHOLE[kind]
    assert walk(body) == Sound(duration=timedelta(milliseconds=milliseconds))


@pytest.mark.parametrize("kind", FLAWED)
def test_broken_mp4s_say_what_and_how_much(kind: str) -> None:
    """What is cut, broken, empty or lies elsewhere is told by a flaw, which keeps the body (B3)."""
    body, told = FLAWED[kind]
    sound = walk(body)
    assert told in (sound.flaw or "")
    assert sound.duration is None


@pytest.mark.parametrize("kind", SILENT)
def test_an_mp4_without_sound_is_refused(kind: str) -> None:
    """A file whose header is complete and names no sound track, and an image, are no recordings."""
    with pytest.raises(IntegrityError, match=r"no sound track|an image"):
        walk(SILENT[kind])


@pytest.mark.parametrize("kind", [kind for kind in WHOLE if kind not in {"fragments", "fragments that tell all"}])
def test_every_cut_is_noticed(kind: str) -> None:
    """However much is missing, it is noticed; boxes behind the last sample are nobody's loss (B1)."""
    body, _ = WHOLE[kind]
    whole = {len(m4a()), len(m4a()) + 28, len(m4a()) + 36, len(m4a()) + 60}
    assert set(unnoticed(body)) <= (whole if kind.startswith("free") else set())


def test_the_header_counts_where_tables_are_silent() -> None:
    """Without durations of samples the track's own counts; without that one, or with a rate of 0, there is none."""
    silent = stbl(32, stts=box(b"stts", ints(0, 0)))
    assert walk(last(silent)).duration == timedelta(milliseconds=60)
    for header in (ticks(0), ticks(2**32 - 1), ticks(480, rate=0)):
        assert walk(last(silent, mdhd=header)) == Sound(duration=None)


def test_hostile_counts_are_not_allocated() -> None:
    """Counts of billions in every table cost no memory; nor do boxes nested a hundred thousand deep."""
    nest = bytearray()
    for depth in range(100_000):
        nest += struct.pack(">I4s", 8 * (100_000 - depth), b"mdia")
    alike = stbl(32, stsz=box(b"stsz", ints(0, 1, 2**32 - 1)), stsc=box(b"stsc", ints(0, 1, 1, 2**32 - 1, 1)))
    bodies = [last(alike), FTYP + moov(box(b"trak", box(b"tkhd", bytes(84)), bytes(nest)))]
    bodies += [fragmented(fragment(2**10).replace(ints(2**10), ints(2**32 - 1), 1))]
    tracemalloc.start()
    for body in bodies:
        assert walk(body).flaw is not None
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_long_tables_are_read_in_blocks() -> None:
    """A million samples, each with its size and its time, are walked in less than 1 MB."""
    count = 1_000_000
    table = stbl(
        32,
        stts=box(b"stts", ints(0, count), ints(1, 8) * count),
        stsz=box(b"stsz", ints(0, 0, count), ints(1) * count),
        stsc=box(b"stsc", ints(0, 1, 1, count, 1)),
        stco=box(b"stco", ints(0, 1, 32)),
    )
    body = last(table, media=mdat(bytes(count)))
    tracemalloc.start()
    sound = walk(body)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert sound == Sound(duration=timedelta(seconds=1000))


@given(noise=st.binary(max_size=300))
@settings(max_examples=300, derandomize=True, database=None, deadline=None)
def test_noise_is_never_whole(noise: bytes) -> None:
    """Noise behind a valid beginning is refused or a flaw, and nothing else."""
    for head in (FTYP, FTYP + box(b"moov", length=8 + len(noise)), fragmented() + box(b"moof", length=8 + len(noise))):
        with suppress(IntegrityError):
            assert walk(head + noise).flaw is not None


@given(kind=st.sampled_from(sorted(WHOLE)), place=st.integers(0, 2**16), number=st.integers(0, 2**32 - 1))
@settings(max_examples=500, derandomize=True, database=None, deadline=None)
def test_no_numbers_break_it(kind: str, place: int, number: int) -> None:
    """Whatever number of 32 bits a whole file says somewhere, the walk ends in a sound or in IntegrityError."""
    body, _ = WHOLE[kind]
    place %= len(body) - 4
    with suppress(IntegrityError):
        assert walk(body[:place] + ints(number) + body[place + 4 :]).duration != timedelta()
