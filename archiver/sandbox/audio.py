"""Real, playable audio for made-up recordings: the same recording id always gives the same bytes, and no two ids do.

Every body carries its recording id (MP3 in an ID3v2.3 title, WAV in a LIST/INFO title) before a melody drawn from that
id. Bodies are built when asked for and never kept, since 20,000 of them are gigabytes.

``melody.mp3frames`` holds eight phrases of twelve MPEG-2.5 Layer III frames: mono, 8 kHz, 64 kbit/s, no CRC, so every
frame is 576 bytes and 72 ms. The tones were synthesised (three decaying notes with overtones, then silence, in each
phrase) and encoded once with ``lame -b 64 --cbr --nores -t``. Without a bit reservoir no frame needs the one before it,
and phrases begin and end in silence, so they may be joined in any order and cut at any frame.
Source: ISO/IEC 11172-3 and 13818-3 (frames), Microsoft's multimedia registrations (WAV), id3.org (ID3v2.3).
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from random import Random

SAMPLE_RATE = 8000
MP3_FRAME_BYTES = 576
MP3_FRAME_MS = 72

_PHRASE_BYTES = 12 * MP3_FRAME_BYTES
_PHRASES_FILE = Path(__file__).with_name("melody.mp3frames")
_NOTE_MS = 240
_SEMITONES = (0, 3, 5, 7, 10, 12, 15, 17, 19, 22)
_LOWEST_HZ = 220.0
_PCM_FORMAT, _MULAW_FORMAT = 1, 7


class Encoding(StrEnum):
    """How the samples are written; the first two in a WAV file."""

    PCM = "pcm"
    MULAW = "mulaw"
    MP3 = "mp3"

    @property
    def container(self) -> str:
        """What the bytes are, whatever anybody calls them: ``wav`` or ``mp3``."""
        return "mp3" if self is Encoding.MP3 else "wav"

    @property
    def step_ms(self) -> int:
        """Durations come in multiples of this many milliseconds."""
        return MP3_FRAME_MS if self is Encoding.MP3 else 1


@dataclass(frozen=True, slots=True)
class Clip:
    """One body of audio, described. ``duration_ms`` is a multiple of the encoding's step."""

    recording_id: str
    duration_ms: int
    encoding: Encoding


def render(clip: Clip) -> bytes:
    """The whole file: exactly ``clip.duration_ms`` of audio behind its headers."""
    if clip.encoding is Encoding.MP3:
        return _id3(clip.recording_id) + _cut_to(clip, _phrases(), MP3_FRAME_BYTES / MP3_FRAME_MS)
    width = 2 if clip.encoding is Encoding.PCM else 1
    samples = _cut_to(clip, _notes(clip.encoding), width * SAMPLE_RATE / 1000)
    return _wav(clip, samples, width)


def measure(clip: Clip) -> int:
    """How many bytes ``render`` gives, without making them."""
    if clip.encoding is Encoding.MP3:
        return len(_id3(clip.recording_id)) + clip.duration_ms * MP3_FRAME_BYTES // MP3_FRAME_MS
    width = 2 if clip.encoding is Encoding.PCM else 1
    samples_bytes = round(clip.duration_ms * width * SAMPLE_RATE / 1000)
    return len(_wav(clip, b"", width)) + samples_bytes + samples_bytes % 2


def _cut_to(clip: Clip, parts: Sequence[bytes], bytes_per_ms: float) -> bytes:
    """A melody of equally long parts, in the order that the recording id draws, as long as the clip."""
    size = round(clip.duration_ms * bytes_per_ms)
    melody = Random(f"melody/{clip.recording_id}").choices(parts, k=math.ceil(size / len(parts[0])))
    return b"".join(melody)[:size]


@cache
def _phrases() -> tuple[bytes, ...]:
    frames = _PHRASES_FILE.read_bytes()
    return tuple(frames[start : start + _PHRASE_BYTES] for start in range(0, len(frames), _PHRASE_BYTES))


def _id3(title: str) -> bytes:
    text = b"\x00" + title.encode("latin-1")
    frame = b"TIT2" + struct.pack(">IH", len(text), 0) + text
    size = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + size + frame


@cache
def _notes(encoding: Encoding) -> tuple[bytes, ...]:
    """The notes of the scale, each ``_NOTE_MS`` long and silent at both ends."""
    notes = [_note(_LOWEST_HZ * 2 ** (semitone / 12)) for semitone in _SEMITONES]
    if encoding is Encoding.MULAW:
        return tuple(bytes(map(_to_mulaw, note)) for note in notes)
    return tuple(struct.pack(f"<{len(note)}h", *note) for note in notes)


def _note(hertz: float) -> list[int]:
    count = _NOTE_MS * SAMPLE_RATE // 1000
    loudness = (9000 * min(1.0, n / 80, (count - n) / 200) * math.exp(-6 * n / count) for n in range(count))
    return [round(peak * math.sin(math.tau * hertz * n / SAMPLE_RATE)) for n, peak in enumerate(loudness)]


def _to_mulaw(sample: int) -> int:
    """One sample in the eight bits of ITU-T G.711 µ-law: sign, three bits of exponent, four of mantissa, inverted."""
    biased = min(abs(sample), 32635) + 132
    exponent = biased.bit_length() - 8
    mantissa = biased >> (exponent + 3) & 0x0F
    return ~((0x80 if sample < 0 else 0) | exponent << 4 | mantissa) & 0xFF


def _wav(clip: Clip, samples: bytes, width: int) -> bytes:
    kind = _PCM_FORMAT if clip.encoding is Encoding.PCM else _MULAW_FORMAT
    layout = struct.pack("<HHIIHH", kind, 1, SAMPLE_RATE, SAMPLE_RATE * width, width, width * 8)
    if kind == _MULAW_FORMAT:
        layout += struct.pack("<H", 0)  # every format but PCM states the length of its extension
    title = b"INFO" + _chunk(b"INAM", clip.recording_id.encode("latin-1") + b"\x00")
    return _chunk(b"RIFF", b"WAVE" + _chunk(b"fmt ", layout) + _chunk(b"LIST", title) + _chunk(b"data", samples))


def _chunk(name: bytes, content: bytes) -> bytes:
    """A RIFF chunk: its length counts the content, and an odd content is padded to an even place."""
    return name + struct.pack("<I", len(content)) + content + b"\x00" * (len(content) % 2)
