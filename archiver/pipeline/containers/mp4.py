"""Whether an MP4 (M4A, 3GP, QuickTime) is whole, and how long it plays.

Its boxes must fill the file, its sample tables must point into its media data, and its fragments must hold their
samples. A file in fragments that was cut between two of them looks whole, unless its beginning says how much is to
come (sidx, mehd, or a track's header); many writers say nothing there, and an mfra at the end leaves no trace when it
is cut off. The claimed duration is all that tells such a cut, as it is for what lies behind the last sample: a free
box, say, that is missing with nothing lost.

Source: ISO 14496-12, sections 6.3, 8.3 (tracks), 8.4.2 (mdhd), 8.4.3 (hdlr), 8.8.1 (mvex), 8.8.2 (mehd), 8.11.1 (meta).
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import BinaryIO, Final

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.mp4_boxes import Box, fields, find, inner_boxes, need, top_boxes
from archiver.pipeline.containers.mp4_fragments import (
    Track,
    check_index,
    claimed_ticks,
    read_defaults,
    walk_fragment,
)
from archiver.pipeline.containers.mp4_tables import Media, walk_tables
from archiver.pipeline.containers.sound import Sound
from archiver.pipeline.containers.ticks import Flaw, playing_time

_MOST_TRACKS: Final = 256

_SHORTER: Final = timedelta(milliseconds=100)
"""How much less than claimed a file in fragments may hold, for rounding and an encoder's delay: a frame or two."""


@dataclass(slots=True)
class _Layout:
    """What the outermost boxes show: the header of the movie, its media, and the first thing that is wrong."""

    media: Media
    movie: Box | None = None
    is_image: bool = False
    flaw: str | None = None


def walk_mp4(file: BinaryIO, size_bytes: int) -> Sound:
    """The longest sound track of an MP4. Where something is wrong, its tables promise what is not there: no duration.

    Raises: IntegrityError when it has no sound track, or is an image.
    """
    layout = _lay_out(file, size_bytes)
    if layout.movie is None and layout.is_image and layout.flaw is None:
        raise IntegrityError("the MP4 is an image: it has no moov, but a meta")
    try:
        return Sound(duration=_measure(file, layout))
    except Flaw as flaw:
        return Sound(duration=None, flaw=layout.flaw or str(flaw))


def _lay_out(file: BinaryIO, size_bytes: int) -> _Layout:
    layout = _Layout(Media(size_bytes))
    try:
        for box in top_boxes(file, size_bytes):
            if box.kind == b"mdat":
                layout.media.add(box)
            elif box.kind == b"moov":
                layout.movie = layout.movie or box
            elif box.kind == b"sidx":
                check_index(file, box, size_bytes)
            elif box.kind == b"meta":
                layout.is_image = True
    except Flaw as flaw:
        layout.flaw = str(flaw)
    return layout


def _measure(file: BinaryIO, layout: _Layout) -> timedelta | None:
    """How long the longest sound track plays, after all tables of all tracks."""
    if layout.movie is None:
        raise Flaw("the MP4 is cut, or was never finished: it has no moov")
    boxes = _tracks(file, layout.movie)
    tracks = {number: _read_track(file, box) for number, box in boxes.items()}
    if not any(track.is_sound for track in tracks.values()):
        raise IntegrityError(f"the MP4 has no sound track; it has {len(tracks)} of other kinds")
    if layout.flaw is not None:
        raise Flaw(layout.flaw)
    for number, box in boxes.items():
        table = need(file, box, b"mdia", b"minf", b"stbl")
        tracks[number].total_bytes, tracks[number].ticks = walk_tables(file, table, layout.media)
    extends = find(file, layout.movie, b"mvex")
    if extends is not None:
        read_defaults(file, extends, tracks)
        for box in top_boxes(file, layout.media.size_bytes):
            if box.kind == b"moof":
                walk_fragment(file, box, tracks, layout.media)
        _check_claims(file, layout.movie, extends, list(tracks.values()))
    sounds = [track for track in tracks.values() if track.is_sound]
    if not any(track.total_bytes for track in sounds):
        raise Flaw("the MP4 holds no sound: its sound tracks are empty")
    return max((time for time in map(_duration, sounds) if time is not None), default=None)


def _tracks(file: BinaryIO, movie: Box) -> dict[int, Box]:
    """The tracks by their numbers."""
    boxes: dict[int, Box] = {}
    for box in inner_boxes(file, movie):
        if box.kind == b"cmov":
            raise Flaw("nobody here reads the moov of this MP4: it is compressed")
        if box.kind == b"trak":
            header = need(file, box, b"tkhd")
            (number,) = fields(file, header, ">I", 12 if fields(file, header, ">B") == (0,) else 20)
            if number in boxes or len(boxes) == _MOST_TRACKS:
                raise Flaw(f"the MP4 is broken: it has two tracks {number}, or more than {_MOST_TRACKS} in all")
            boxes[number] = box
    return boxes


def _read_track(file: BinaryIO, box: Box) -> Track:
    media = need(file, box, b"mdia")
    (kind,) = fields(file, need(file, media, b"hdlr"), ">I", 8)
    header = need(file, media, b"mdhd")
    is_long = fields(file, header, ">B") != (0,)
    rate, ticks = fields(file, header, ">IQ" if is_long else ">II", 20 if is_long else 12)
    is_unknown = ticks == (1 << (64 if is_long else 32)) - 1
    return Track(
        is_sound=kind.to_bytes(4) == b"soun",
        ticks_per_second=rate,
        claimed_ticks=0 if is_unknown else ticks,
    )


def _duration(track: Track) -> timedelta | None:
    return playing_time(track.ticks or track.claimed_ticks, track.ticks_per_second)


def _check_claims(file: BinaryIO, movie: Box, extends: Box, tracks: list[Track]) -> None:
    """Check that the fragments are as long as the beginning of the file says.

    Raises: Flaw when they are shorter: the file was cut between two of them.
    """
    header = need(file, movie, b"mvhd")
    (rate,) = fields(file, header, ">I", 12 if fields(file, header, ">B") == (0,) else 20)
    claims = [playing_time(claimed_ticks(file, extends), rate)]
    claims += [playing_time(track.claimed_ticks, track.ticks_per_second) for track in tracks]
    held = max(playing_time(track.ticks, track.ticks_per_second) or timedelta() for track in tracks)
    claimed = max((claim for claim in claims if claim is not None), default=held)
    if held + _SHORTER < claimed:
        lost = (claimed - held).total_seconds()
        raise Flaw(f"the MP4 is cut between two fragments: it lacks {lost:.1f} of {claimed.total_seconds():.1f} s")
