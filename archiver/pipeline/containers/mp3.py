"""Whether an MP3 is whole, frame by frame; MPEG audio of the other layers too.

There is no length around the frames of an MP3: a cut shows in the last frame, in a tag behind it, or against the count
that the first frame may promise. A cut between two frames of an MP3 without that promise does not show; the duration
that is measured here still tells it to whoever knows how long the call was.

Source: ISO 11172-3 and 13818-3 (frames); beside them, the modules ``mp3_tags`` and ``mp3_promise``.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO, Final

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.mp3_promise import PROMISE_BYTES, Promise, promise_of
from archiver.pipeline.containers.mp3_tags import leading_tag_bytes, may_begin_tag, trailing_tags_at
from archiver.pipeline.containers.mp3_window import WINDOW_BYTES, Window
from archiver.pipeline.containers.mpeg import HEADER_BYTES, Frame, frame_of, free_format_bytes
from archiver.pipeline.containers.sound import Sound

_HEADER: Final = re.compile(rb"(?=\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xef])")
"""Where a frame might begin; free format is not looked for."""

_FARTHEST: Final = WINDOW_BYTES
"""How far to look for a frame in what is none. Decoders give up sooner; wrong lengths of tags reach that far."""

_HARMLESS_BYTES: Final = 4096
"""As much padding, or junk between frames, costs no audible sound; a lost block of a disk is larger."""

_MOST_JUNK_BYTES: Final = 1 << 20
_MOST_GAPS: Final = 1000
"""Where a walk gives up: no recording has as much between its frames, and looking for frames in junk is slow."""

_FREE_FORMAT_BYTES: Final = 24_576


def walk_mp3(file: BinaryIO, size_bytes: int) -> Sound:
    """The audio of an MP3, measured on its frames.

    Junk before and between frames is stepped over as decoders do.

    Raises: IntegrityError when there is not one frame.
    """
    window = Window(file)
    walk = _Walk(window=window, ends_at=trailing_tags_at(window, size_bytes))
    walk.through()
    if not walk.headers and walk.promise is None and not walk.lacking_of_tag:
        raise IntegrityError("the MP3 has not one frame of audio")
    return Sound(duration=walk.duration(), flaw=_flaw(walk))


@dataclass(slots=True, kw_only=True)
class _Walk:
    """A walk over the frames up to ``ends_at``, and what it met. ``headers`` counts the frames of audio by header."""

    window: Window
    ends_at: int
    position: int = 0
    headers: Counter[bytes] = field(default_factory=Counter)
    promise: Promise | None = None
    promise_at: int = 0
    free_bytes: int | None = None
    junk_bytes: int = 0
    lacking_of_frame: int = 0
    lacking_of_tag: int = 0

    def through(self) -> None:
        """Over tags and frames, as far as they go."""
        for _ in range(_MOST_GAPS):
            tag_bytes = leading_tag_bytes(self.window.peek(self.position, 32))
            if tag_bytes is not None:
                self.position += tag_bytes
                self.lacking_of_tag = max(0, self.position - self.ends_at)
            elif not self._find():
                return
            else:
                self._run()
            if self.position >= self.ends_at or self.lacking_of_frame or self.junk_bytes > _MOST_JUNK_BYTES:
                return

    def _find(self) -> bool:
        """Go to the next frame, which is here or behind junk. False: there is none near."""
        is_first = not self.headers and self.promise is None
        if is_first:
            self.free_bytes = free_format_bytes(self.window.peek(self.position, _FREE_FORMAT_BYTES))
        if not self._leads_on(self.position, followers=1):
            found_at = self._search()
            if found_at is None:
                return False
            self.junk_bytes += 0 if is_first else found_at - self.position
            self.position = found_at
        if is_first:
            self._take_promise()
        return True

    def _search(self) -> int | None:
        reach = self.window.peek(self.position, min(_FARTHEST, self.ends_at - self.position))
        for match in _HEADER.finditer(reach):
            if self._leads_on(self.position + match.start(), followers=2):
                return self.position + match.start()
        return None

    def _leads_on(self, position: int, followers: int) -> bool:
        """Whether a frame begins here and so many of its kind follow, or fewer and the end; in junk at least one."""
        kind = None
        for nth in range(followers + 1):
            frame = frame_of(self.window.peek(position, HEADER_BYTES))
            size_bytes = self._size_of(frame)
            if frame is None or not size_bytes or kind not in {None, frame.kind}:
                return False
            kind = frame.kind
            position += size_bytes
            if position >= self.ends_at:
                return nth > 0 or (followers == 1 and position == self.ends_at)
        return True

    def _size_of(self, frame: Frame | None) -> int:
        """The length of a frame; 0 when it can't be told."""
        if frame is None or (frame.size_bytes is None and self.free_bytes is None):
            return 0
        return frame.size_bytes or (self.free_bytes or 0) + frame.padding_bytes

    def _take_promise(self) -> None:
        frame = frame_of(self.window.peek(self.position, HEADER_BYTES))
        if frame is not None:
            self.promise = promise_of(frame, self.window.peek(self.position, PROMISE_BYTES))
        if self.promise is not None:
            self.promise_at = self.position
            self.position += self._size_of(frame)

    def _run(self) -> None:
        """Over frames of one kind, as long as one begins where the last one ends."""
        peek, headers, ends_at, position = self.window.peek, self.headers, self.ends_at, self.position
        first = frame_of(peek(position, HEADER_BYTES))
        while position < ends_at:
            header = peek(position, HEADER_BYTES)
            frame = frame_of(header)
            if frame is None or first is None or frame.kind != first.kind:
                break
            next_at = position + (frame.size_bytes or self._size_of(frame))
            if next_at > ends_at:
                self.lacking_of_frame = next_at - ends_at
                break
            headers[header] += 1
            position = next_at
        self.position = position

    @property
    def is_proven(self) -> bool:
        """Whether a count proves that no frame is missing."""
        count = self.promise.frame_count if self.promise is not None else None
        return count is not None and self.headers.total() >= count

    def rest(self) -> bytes:
        """What lies behind the last frame, without padding before it; no more than the window holds."""
        return self.window.peek(self.position, min(WINDOW_BYTES, max(0, self.ends_at - self.position))).lstrip(b"\0")

    def duration(self) -> timedelta | None:
        """How long the frames of audio play; None when there are none."""
        frames = [(frame_of(header), count) for header, count in self.headers.items()]
        seconds = sum(count * frame.sample_count / frame.hertz for frame, count in frames if frame is not None)
        return timedelta(seconds=seconds) if frames else None


def _flaw(walk: _Walk) -> str | None:
    missing = _missing(walk)
    if missing is not None:
        return f"the MP3 is cut: {missing} are missing"
    if not walk.headers:
        return "the MP3 holds no audio: no frame follows the first one, which only counts them"
    if walk.junk_bytes > _HARMLESS_BYTES:
        return f"{walk.junk_bytes:,} bytes between the frames of the MP3 are no audio"
    rest, rest_bytes = walk.rest(), walk.ends_at - walk.position
    if rest.startswith(b"\xff") or may_begin_tag(rest):
        return f"the MP3 is cut: its last {rest_bytes:,} bytes are the beginning of a frame or a tag"
    is_harmless = walk.is_proven or (not rest and rest_bytes <= _HARMLESS_BYTES)
    return None if is_harmless else f"the last {rest_bytes:,} bytes of the MP3 are no audio"


def _missing(walk: _Walk) -> str | None:
    """What is missing, by the sharpest measure that there is."""
    promise, found_count = walk.promise, walk.headers.total()
    if walk.lacking_of_tag:
        return f"{walk.lacking_of_tag:,} bytes of a tag"
    if promise is not None and promise.frame_count is not None and found_count < promise.frame_count:
        return f"{promise.frame_count - found_count:,} of its {promise.frame_count:,} frames"
    missing_bytes = walk.promise_at + ((promise and promise.byte_count) or 0) - walk.ends_at
    if missing_bytes > 0 and not walk.is_proven:
        return f"{missing_bytes:,} of the bytes that its first frame counts"
    return f"{walk.lacking_of_frame:,} bytes of its last frame" if walk.lacking_of_frame else None
