"""Objects in storage: keys and how they are made of a recording's facts, digests, and the body before it is stored."""

import hashlib
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NewType

Key = NewType("Key", str)
Digest = NewType("Digest", bytes)
"""A SHA-256, 32 bytes."""

SIDECAR_SUFFIX: Final = ".json"
PRIVATE_FOLDER: Final = ".archiver"
"""Under the root or prefix of a storage, ours: parts, damaged, probe. Only there are names with a leading dot."""

_FIELDS: Final = frozenset({"account", "provider", "recording_id", "direction", "listing", "format", "started_at"})
_UNSAFE: Final = re.compile(rb"[^A-Za-z0-9._-]")
_FIELD_BYTES: Final = 150
_HASH_CHARACTERS: Final = 16
_CUT: Final = "~~"  # no escape begins like this, so a shortened text never meets one that was not shortened


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object as the storage holds it: complete under its key."""

    key: Key
    digest: Digest
    size_bytes: int
    format: str
    storage_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A whole body between download and store: in memory when small, else in a file that the spool owns."""

    content: bytes | Path
    digest: Digest
    size_bytes: int


def sidecar_key(key: Key) -> Key:
    """The key of the JSON document beside an object."""
    return Key(key + SIDECAR_SUFFIX)


def safe_field(text: str) -> str:
    """A provider's text as one part of a key: injective, no separator, no leading dot, 150 bytes at most.

    Bytes outside ``[A-Za-z0-9._-]`` become ``~XX``. What would begin with a dot or be longer is shortened and ends in
    16 hex digits of the SHA-256 of the original text, so that two texts never meet. The empty text becomes ``~``.
    """
    raw = text.encode("utf-8", "surrogatepass")
    escaped = _UNSAFE.sub(lambda match: b"~%02X" % match[0][0], raw).decode("ascii")
    if not escaped:
        return "~"
    if len(escaped) <= _FIELD_BYTES and not escaped.startswith("."):
        return escaped
    mark = _CUT + hashlib.sha256(raw).hexdigest()[:_HASH_CHARACTERS]
    return escaped.lstrip(".")[: _FIELD_BYTES - len(mark)].rstrip("~") + mark


@dataclass(frozen=True, slots=True)
class KeyTemplate:
    """The operator's template of keys, such as ``{account}/{started_at:%Y/%m/%d}/{recording_id}.{format}``."""

    text: str

    def __post_init__(self) -> None:
        """Check the template. Raises: ValueError that says which part is wrong."""
        fields = {name: spec for _, name, spec, _ in string.Formatter().parse(self.text) if name is not None}
        if unknown := sorted(fields.keys() - _FIELDS):
            raise ValueError(f"unknown field {{{unknown[0]}}}; known are {', '.join(sorted(_FIELDS))}")
        if missing := sorted({"account", "recording_id"} - fields.keys()):
            raise ValueError(f"the field {{{missing[0]}}} is missing: without it two recordings could share a key")
        if wrong := sorted(name for name, spec in fields.items() if spec and name != "started_at"):
            raise ValueError(f"the field {{{wrong[0]}}} takes no format; only {{started_at:%Y…}} does")
        if any(conversion for _, _, _, conversion in string.Formatter().parse(self.text)):
            raise ValueError("a field takes no conversion such as !r")
        self._check_parts()

    def _check_parts(self) -> None:
        for part in self._fill(dict.fromkeys(_FIELDS, "x"), datetime(2026, 11, 22, tzinfo=UTC)).split("/"):
            if not part or part.startswith(".") or not part.isprintable():
                raise ValueError(
                    "a key has no empty part, no part that begins with a dot, no control character, "
                    "and no slash at its ends"
                )
        for part in self.text.split("/"):
            if "}{recording_id}" in part or "{recording_id}{" in part:
                raise ValueError("{recording_id} needs a character between itself and the next field of its part")
            if "{recording_id}" in part and ("{account}" in part or "{listing}" in part):
                raise ValueError(
                    "{recording_id} needs a slash between itself and {account} or {listing}: "
                    "run together, two recordings could share a key"
                )

    def key(self, facts: Mapping[str, str], started_at: datetime) -> Key:
        """The key for a recording; ``facts`` holds every field but ``started_at``, absent ones as ``""``.

        It never ends in ``.json``, which is how the sidecar of another recording could be called.
        """
        text = self._fill({name: safe_field(text) for name, text in facts.items()}, started_at)
        return Key(text.removesuffix(SIDECAR_SUFFIX) + "~2Ejson" if text.endswith(SIDECAR_SUFFIX) else text)

    def _fill(self, facts: Mapping[str, str], started_at: datetime) -> str:
        parts = []
        for literal, name, spec, _ in string.Formatter().parse(self.text):
            parts.append(literal)
            if name == "started_at":
                parts.append(started_at.strftime(spec or "%Y%m%dT%H%M%SZ"))
            elif name is not None:
                parts.append(facts[name])
        return "".join(parts)
