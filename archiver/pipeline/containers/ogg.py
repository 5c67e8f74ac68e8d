"""Whether an Ogg is whole, and how long it plays: Opus, Vorbis, Speex and FLAC, chained and multiplexed.

Every page's checksum must be right, its number the next one of its stream, and every stream must have a page that
says it is the last. That flag is the only thing that tells a file which was cut between two pages, so its absence is
a flaw although some writers never set it (a dump of a live stream; an encoder that was killed). The price: such a
recording is fetched again and then kept as a suspect, never lost.

Source: RFC 3533 (Ogg), section 4 (chaining and grouping) and section 6 (flags and numbers of pages).
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO, Final

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.ogg_codecs import Codec, identify
from archiver.pipeline.containers.ogg_pages import Page, pages
from archiver.pipeline.containers.sound import Sound
from archiver.pipeline.containers.ticks import LONGEST, Flaw, playing_time

_MOST_STREAMS: Final = 256
"""That play at once: a real Ogg has one, or a handful."""

_ONES: Final = 0xFFFFFFFF
_NO_SOUND: Final = "the Ogg holds no sound behind its headers, or none of a length that can be"


@dataclass(slots=True)
class _Stream:
    """One logical stream, as far as it was read: positions in samples, None before the first page with sound."""

    codec: Codec | None
    next_sequence: int
    begins_at: int | None = None
    ends_at: int = 0
    has_ended: bool = False

    def duration(self) -> timedelta:
        if self.codec is None or self.begins_at is None:
            return timedelta()
        samples = self.ends_at - self.begins_at - self.codec.skipped_samples
        return playing_time(samples, self.codec.samples_per_second) or timedelta()


@dataclass(slots=True)
class _Chain:
    """All that was read: ``streams`` are those of the current link, whose beginnings all lie before its other pages.

    ``flaw`` is the first one; ``names`` the codecs that carry no sound, ``is_foreign`` whether there are unknown ones.
    """

    streams: dict[int, _Stream] = field(default_factory=dict)
    is_opening: bool = False
    duration: timedelta = timedelta()
    flaw: str | None = None
    names: set[str] = field(default_factory=set)
    has_sound: bool = False
    is_foreign: bool = False

    def note(self, flaw: str) -> None:
        self.flaw = self.flaw or flaw

    def take(self, page: Page) -> None:
        """Read on by a page."""
        if not page.is_intact:
            self.note(f"the Ogg is damaged: its page at byte {page.start:,} has a wrong checksum")
            return
        if page.begins:
            self._open(page)
        self.is_opening = page.begins
        stream = self.streams.get(page.serial)
        if stream is None:
            self.note(f"the Ogg lacks the beginning of the stream whose page is at byte {page.start:,}")
            return
        self._follow(stream, page)

    def close(self) -> None:
        """End the current link: what it plays, and whether all its streams have ended."""
        cut_count = sum(not stream.has_ended for stream in self.streams.values())
        if cut_count:
            self.note(f"the Ogg is cut between two pages, or was never finished: {cut_count} of its streams go on")
        longest = max((stream.duration() for stream in self.streams.values()), default=timedelta())
        self.duration = min(self.duration + longest, LONGEST)
        self.streams.clear()

    def _open(self, page: Page) -> None:
        if not self.is_opening:
            self.close()
        if page.serial in self.streams or len(self.streams) >= _MOST_STREAMS:
            self.note(f"the Ogg begins a stream at byte {page.start:,} that is one too many")
            return
        codec = identify(page.body)
        self.streams[page.serial] = _Stream(codec, page.sequence)
        if codec is None:
            self.is_foreign = True
        elif codec.is_sound:
            self.has_sound = True
        else:
            self.names.add(codec.name)

    def _follow(self, stream: _Stream, page: Page) -> None:
        if stream.has_ended:
            self.note(f"the Ogg goes on at byte {page.start:,} behind the last page of a stream")
        elif page.sequence != stream.next_sequence:
            numbers = f"page {page.sequence:,} of a stream where page {stream.next_sequence:,} should be"
            self.note(f"the Ogg lacks or repeats pages: at byte {page.start:,} lies {numbers}")
        stream.next_sequence = (page.sequence + 1) & _ONES
        stream.has_ended = page.ends
        if page.granule > 0 and stream.codec is not None:
            stream.ends_at = page.granule
            if stream.begins_at is None:
                stream.begins_at = stream.codec.first_sample(page.granule, page.packet_count, page.body[:2])


def walk_ogg(file: BinaryIO, size_bytes: int) -> Sound:
    """The sound of an Ogg: of a chain the sum of its links, of streams that play at once the longest.

    Raises: IntegrityError when it is whole and carries no sound, such as video alone.
    """
    chain = _Chain()
    try:
        for page in pages(file, size_bytes):
            chain.take(page)
    except Flaw as flaw:
        chain.note(str(flaw))
    chain.close()
    if chain.flaw is None and not chain.has_sound and not chain.is_foreign:
        raise IntegrityError(f"the Ogg carries no sound, only {', '.join(sorted(chain.names)) or 'nothing'}")
    if not chain.duration:
        chain.note(_NO_SOUND if chain.has_sound else "nobody here knows the codec of this Ogg")
    return Sound(duration=chain.duration or None, flaw=chain.flaw)
