"""The made-up audio is real: it parses to the last byte and lasts as long as it says."""

import io
import struct
import wave

import pytest

from archiver.sandbox.audio import MP3_FRAME_BYTES, MP3_FRAME_MS, Clip, Encoding, measure, render

ID = "0b6f0f4e-1111-4222-8333-444455556666"
OTHER_ID = "0b6f0f4e-1111-4222-8333-444455556667"


def test_pcm_parses_with_the_standard_library_and_lasts_as_long_as_claimed() -> None:
    """A PCM body is mono, 16 bit, 8 kHz, and holds exactly the claimed milliseconds."""
    with wave.open(io.BytesIO(render(Clip(ID, 7883, Encoding.PCM)))) as audio:
        assert (audio.getnchannels(), audio.getsampwidth(), audio.getframerate()) == (1, 2, 8000)
        assert audio.getnframes() == 7883 * 8
        assert max(audio.readframes(8000)) > 0


@pytest.mark.parametrize("duration_ms", [2000, 2001, 7883])
def test_mulaw_chunks_end_with_the_file(duration_ms: int) -> None:
    """A µ-law body is one RIFF chunk whose parts end where the file does; its data is one byte a sample."""
    body = render(Clip(ID, duration_ms, Encoding.MULAW))
    chunks, place = {}, 12
    while place < len(body):
        name, size = struct.unpack_from("<4sI", body, place)
        chunks[name] = body[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
    assert (body[:4], struct.unpack_from("<I", body, 4)[0], place) == (b"RIFF", len(body) - 8, len(body))
    assert struct.unpack_from("<HHI", chunks[b"fmt "]) == (7, 1, 8000)
    assert len(chunks[b"data"]) == duration_ms * 8


@pytest.mark.parametrize("frame_count", [1, 28, 140, 833])
def test_mp3_frames_walk_to_the_last_byte(frame_count: int) -> None:
    """Behind the ID3 tag lie whole frames only: MPEG-2.5 Layer III, 64 kbit/s, 8 kHz, mono, none needing another."""
    body = render(Clip(ID, frame_count * MP3_FRAME_MS, Encoding.MP3))
    tag_bytes = 10 + (body[8] << 7 | body[9])
    frames = [body[place : place + MP3_FRAME_BYTES] for place in range(tag_bytes, len(body), MP3_FRAME_BYTES)]
    assert body[:3] == b"ID3"
    assert len(frames) == frame_count
    assert {(len(frame), frame[:4].hex(), frame[4]) for frame in frames} == {(MP3_FRAME_BYTES, "ffe388c4", 0)}


@pytest.mark.parametrize("encoding", Encoding)
def test_bytes_depend_on_the_recording_alone(encoding: Encoding) -> None:
    """The same recording id gives the same bytes every time, another id gives others."""
    first, again, other = (render(Clip(name, 2016, encoding)) for name in (ID, ID, OTHER_ID))
    assert first == again
    assert first != other


@pytest.mark.parametrize("encoding", Encoding)
def test_the_id_lies_in_the_title(encoding: Encoding) -> None:
    """Whoever plays a body sees which recording it is."""
    assert ID.encode() in render(Clip(ID, 2016, encoding))[:120]


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("steps", [1, 28, 111])
def test_a_body_can_be_measured_without_making_it(encoding: Encoding, steps: int) -> None:
    """The measured size is that of the rendered body, to the byte."""
    clip = Clip(ID, steps * encoding.step_ms, encoding)
    assert measure(clip) == len(render(clip))
