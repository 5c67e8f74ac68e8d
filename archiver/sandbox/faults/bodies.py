"""Faults of the content: something else than the recording, under status 200."""

import gzip
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from archiver.sandbox.audio import Clip, Encoding, render
from archiver.sandbox.delivery import Outgoing
from archiver.sandbox.faults.fault import DOCUMENTS, Body, Fault, Parameter, Strike

_REACH: Final = ("media", *DOCUMENTS)
_TYPED: Final = Parameter("typed", default=False)
_WAV_HEADER_BYTES: Final = 44

_JSON = b'{"error": "internal error", "message": "the recording could not be read", "status": 500}\n'
_HTML = b"""<!DOCTYPE html>
<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>
"""
_XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>
"""
_TEXT = b"The recording you asked for is being prepared. Please come back in a few minutes.\n"
_IMAGE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000 1f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


def _instead(content: bytes, media_type: str) -> Callable[[Outgoing, Strike], Outgoing]:
    """Always this content, under the type that was promised unless ``typed`` was set."""

    def apply(outgoing: Outgoing, strike: Strike) -> Outgoing:
        return _with_body(outgoing, content, media_type if strike.values["typed"] else None)

    return apply


def _with_body(outgoing: Outgoing, body: bytes, media_type: str | None = None) -> Outgoing:
    """All of this content, whatever part was asked for."""
    kept = {name: value for name, value in outgoing.headers.items() if name != "Content-Range"}
    headers = {**kept, "Content-Type": media_type} if media_type else kept
    return replace(outgoing, status=200, headers=headers, body=body, is_whole=False)


def _zip(outgoing: Outgoing, strike: Strike) -> Outgoing:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("recording.mp3"), outgoing.body)
    return _with_body(outgoing, buffer.getvalue(), "application/zip" if strike.values["typed"] else None)


def _noise(outgoing: Outgoing, strike: Strike) -> Outgoing:
    return _with_body(outgoing, strike.random().randbytes(strike.number("bytes") or len(outgoing.body)))


def _wav44(outgoing: Outgoing, _strike: Strike) -> Outgoing:
    """The header that a recorder writes before anybody speaks, and nothing behind it."""
    return _with_body(outgoing, _wav_header(outgoing, 0))


def _wav_zero_data(outgoing: Outgoing, _strike: Strike) -> Outgoing | None:
    """A recorder that never came back to its header: the audio is there, and its length is said to be 0."""
    if outgoing.audio is None:
        return None
    clip = replace(outgoing.audio.clip, encoding=Encoding.PCM)
    whole = render(clip)
    return _with_body(outgoing, _wav_header(outgoing, 0) + whole[whole.index(b"data") + 8 :])


def _wav_header(outgoing: Outgoing, samples_bytes: int) -> bytes:
    """The usual 44 bytes: no title, PCM, and the lengths for so many bytes of samples."""
    name = outgoing.audio.clip.recording_id if outgoing.audio else ""
    empty = render(Clip(name, 0, Encoding.PCM))
    chunk = empty[12 : 12 + 24]
    sizes = (36 + samples_bytes).to_bytes(4, "little"), samples_bytes.to_bytes(4, "little")
    header = b"RIFF" + sizes[0] + b"WAVE" + chunk + b"data" + sizes[1]
    return header[:_WAV_HEADER_BYTES]


def _half(outgoing: Outgoing, strike: Strike) -> Outgoing | None:
    """Sound from its header to its end, and shorter than it should be."""
    if outgoing.audio is None:
        return None
    clip = outgoing.audio.clip
    steps = max(1, round(clip.duration_ms * strike.factor("part") / clip.encoding.step_ms))
    shorter = replace(clip, duration_ms=steps * clip.encoding.step_ms)
    return None if shorter == clip else _with_body(outgoing, render(shorter))


def _gzip(outgoing: Outgoing, strike: Strike) -> Outgoing:
    """Compressed although nobody asked for it, and in secret unless ``labelled``."""
    packed = _with_body(outgoing, gzip.compress(outgoing.body, mtime=0))
    label: Mapping[str, str] = {"Content-Encoding": "gzip"} if strike.values["labelled"] else {}
    return replace(packed, headers={**packed.headers, **label})


def _oversized(outgoing: Outgoing, strike: Strike) -> Outgoing:
    """The recording, then zeros up to this size."""
    filler_bytes = max(0, strike.number("bytes") - len(outgoing.body))
    return replace(_with_body(outgoing, outgoing.body), filler_bytes=filler_bytes)


def _page(name: str, content: bytes, media_type: str, sentence: str) -> Fault:
    return Fault(
        name=name,
        help=sentence,
        act=Body(_instead(content, media_type)),
        reach=_REACH,
        parameters=(_TYPED,),
    )


def _audio(
    name: str,
    apply: Callable[[Outgoing, Strike], Outgoing | None],
    sentence: str,
    *own: Parameter,
    reach: tuple[str, ...] | None = None,
) -> Fault:
    return Fault(name=name, help=sentence, act=Body(apply), parameters=own, reach=reach)


BODIES: Final = (
    _page("empty", b"", "audio/mpeg", "Answers with an empty body under 200 (B2)."),
    _page("json", _JSON, "application/json", "Answers with an error in JSON under 200 (B2)."),
    _page("html", _HTML, "text/html", "Answers with a proxy's error page in HTML under 200 (B2)."),
    _page("xml", _XML, "application/xml", "Answers with a store's error in XML under 200 (B2)."),
    _page("text", _TEXT, "text/plain", "Answers with plain text under 200 (B2)."),
    _page("image", _IMAGE, "image/png", "Answers with a picture under 200 (B3)."),
    _audio("zip", _zip, "Serves a zip with the recording in it instead of the recording (B3).", _TYPED),
    _audio("noise", _noise, "Serves random bytes, by default as many as there should be (B3).", Parameter("bytes", 0)),
    _audio("wav44", _wav44, "Serves the header of a WAV and no audio behind it (B3)."),
    _audio("wav_zero_data", _wav_zero_data, "Serves a WAV whose header says that its audio has length 0 (B3)."),
    _audio("half", _half, "Serves sound audio that lasts only this part of the call (B3).", Parameter("part", 0.5)),
    _audio(
        "gzip",
        _gzip,
        "Compresses the recording unasked; in secret unless labelled (B1, B3).",
        Parameter("labelled", default=True),
    ),
    _audio(
        "oversized",
        _oversized,
        "Goes on with zeros up to this size (P3).",
        Parameter("bytes", 64 << 20),
        reach=_REACH,
    ),
)
