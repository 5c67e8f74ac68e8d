"""Tags around MPEG audio: ID3, APE and Lyrics3, by their lengths.

Source: id3.org, "ID3 tag version 2.4.0 - Main Structure" 3.1 and 3.4, "ID3v1" and its enhanced "TAG+", "Lyrics3" and
"Lyrics3 Tag v2.00"; Hydrogenaudio Knowledgebase, "APE Tags Header" (2000 with a header, 1000 with a footer alone).
"""

from typing import Final

from archiver.pipeline.containers.mp3_window import Window

_ID3_HEADER_BYTES: Final = 10
_HAS_FOOTER: Final = 0x10
_ID3V1_BYTES: Final = 128
_ENHANCED_BYTES: Final = 227
_APE_BYTES: Final = 32
_APE_HAS_HEADER, _APE_IS_HEADER = 1 << 31, 1 << 29
_OLD_LYRICS_BYTES: Final = 5_100
_MOST_TAGS: Final = 16
_BEGINNINGS: Final = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")


def leading_tag_bytes(head: bytes) -> int | None:
    """The length of the tag that begins here and says its own length: ID3v2, or APE with a header. None: no such tag.

    ``head`` needs 32 bytes.
    """
    if _is_id3v2(head):
        footer_bytes = _ID3_HEADER_BYTES if head[3] == 4 and head[5] & _HAS_FOOTER else 0
        high, upper, lower, low = head[6:10]
        return _ID3_HEADER_BYTES + (high << 21 | upper << 14 | lower << 7 | low) + footer_bytes
    if head.startswith(b"APETAGEX") and len(head) >= _APE_BYTES and _ape_flags(head) & _APE_IS_HEADER:
        return _APE_BYTES + int.from_bytes(head[12:16], "little")
    return None


def _is_id3v2(head: bytes) -> bool:
    """A version that exists, and a length in bytes of seven bits."""
    length = head[6:10]
    return head[:3] == b"ID3" and head[3:4] in {b"\x02", b"\x03", b"\x04"} and len(length) == 4 and max(length) < 0x80


def may_begin_tag(rest: bytes) -> bool:
    """Whether a tag begins here, be it only with the first letter of its name."""
    return bool(rest) and any(rest.startswith(name) or name.startswith(rest) for name in _BEGINNINGS)


def trailing_tags_at(window: Window, ends_at: int) -> int:
    """Where the whole tags that end at ``ends_at`` begin, which is there when there is none."""
    for _ in range(_MOST_TAGS):
        longest = max(
            _id3v1_bytes(window, ends_at),
            _ape_bytes(window.peek(max(0, ends_at - _APE_BYTES), _APE_BYTES)),
            _lyrics_bytes(window, ends_at),
        )
        if not longest or longest > ends_at:
            break
        ends_at -= longest
    return ends_at


def _id3v1_bytes(window: Window, ends_at: int) -> int:
    if ends_at < _ID3V1_BYTES or window.peek(ends_at - _ID3V1_BYTES, 3) != b"TAG":
        return 0
    both_bytes = _ID3V1_BYTES + _ENHANCED_BYTES
    is_enhanced = ends_at >= both_bytes and window.peek(ends_at - both_bytes, 4) == b"TAG+"
    return both_bytes if is_enhanced else _ID3V1_BYTES


def _ape_bytes(footer: bytes) -> int:
    """The length of the APE tag that has this footer; 0 when it is none. Its header is not in the length it says."""
    if not footer.startswith(b"APETAGEX") or len(footer) < _APE_BYTES or _ape_flags(footer) & _APE_IS_HEADER:
        return 0
    return int.from_bytes(footer[12:16], "little") + (_APE_BYTES if _ape_flags(footer) & _APE_HAS_HEADER else 0)


def _ape_flags(header: bytes) -> int:
    return int.from_bytes(header[20:24], "little")


def _lyrics_bytes(window: Window, ends_at: int) -> int:
    """Version 2 says its length in six digits before its last word; version 1 has to be searched for its first."""
    longest = min(ends_at, _OLD_LYRICS_BYTES + len(b"LYRICSBEGIN" + b"LYRICSEND"))
    tail = window.peek(ends_at - longest, longest)
    digits = tail[-15:-9]
    if tail.endswith(b"LYRICS200") and digits.isdigit():
        return int(digits) + len(digits) + len(b"LYRICS200")
    begins_at = tail.rfind(b"LYRICSBEGIN") if tail.endswith(b"LYRICSEND") else -1
    return longest - begins_at if begins_at >= 0 else 0
