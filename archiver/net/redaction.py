"""What must not be kept or shown: secrets in documents, addresses and error texts (S5).

A document is also freed of what no catalog can hold: NUL and lone surrogates in its texts become U+FFFD.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote, quote_plus, unquote

REDACTED: Final = "[redacted]"
_SHORTEST_SECRET: Final = 6
"""What is shorter could be any word, and taking it out of a text would tell more than it hides."""

_DEEPEST: Final = 32
"""Documents nested deeper than any provider's are cut off here, before they exhaust the stack."""

_TELLING_NAME: Final = re.compile(
    r"(token|password|passwd|secret|apikey|accesskey|privatekey|secretkey|authorization|signature|jwt|cookie)$"
)
_TELLING_PARAMETERS: Final = (
    r"x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)|(?:aws|oss)?accesskeyid|googleaccessid"
    r"|key-pair-id|signature|sig|sign|policy|hmac|hdnts|jwt|auth|authorization|apikey|api[_-]key|key|ticket|session(?:id)?"
    r"|(?:[a-z]+[_-])?(?:token|secret|password|passwd|pwd)"
)
_TELLING_QUERY: Final = re.compile(rf"[?&;#](?:{_TELLING_PARAMETERS})=[^&;#\s]", re.IGNORECASE)
_USER_INFO: Final = re.compile(r"//[^/?#\s@]*@")
_QUERY_IN_TEXT: Final = re.compile(r"(\w+://[^\s?#\"'<>]*)[?#][^\s\"'<>]*")
_UNKEPT: Final = re.compile("[\x00\ud800-\udfff]")


def redact(document: object, also: Collection[str] = ()) -> tuple[object, tuple[str, ...]]:
    """Replace the secret-bearing values of a decoded JSON document. Returns the document and their JSON pointers.

    Secret are values under telling names (``auth_token``, ``api_key``, …), texts that hold an address with user-info
    or with a signature or token in its query, and whatever lies at the pointers in ``also``.
    """
    pointers: list[str] = []
    return _redacted(document, "", frozenset(also), pointers), tuple(pointers)


def _redacted(value: object, pointer: str, also: frozenset[str], pointers: list[str]) -> object:
    if pointer in also or _is_secret_text(value) or pointer.count("/") > _DEEPEST:
        pointers.append(pointer)
        return REDACTED
    if isinstance(value, str):
        return keepable(value)
    if isinstance(value, dict):
        return dict(_redacted_members(value, pointer, also, pointers))
    if isinstance(value, list):
        return [_redacted(part, f"{pointer}/{index}", also, pointers) for index, part in enumerate(value)]
    return value


def _redacted_members(
    members: dict[str, object], pointer: str, also: frozenset[str], pointers: list[str]
) -> Iterator[tuple[str, object]]:
    for name, value in members.items():
        kept_name = keepable(name)
        here = f"{pointer}/{kept_name.replace('~', '~0').replace('/', '~1')}"
        if _is_secret_name(name) and value not in (None, "", [], {}) and not isinstance(value, bool):
            pointers.append(here)
            yield kept_name, REDACTED
        else:
            yield kept_name, _redacted(value, here, also, pointers)


def _is_secret_name(name: str) -> bool:
    return bool(_TELLING_NAME.search(name.lower().replace("_", "").replace("-", "")))


def _is_secret_text(value: object) -> bool:
    return isinstance(value, str) and ("//" in value or "?" in value) and is_secret_address(value)


def is_secret_address(text: str) -> bool:
    """Whether a text holds an address with user-info, or with a signature or token in its query."""
    return any(_USER_INFO.search(form) or _TELLING_QUERY.search(form) for form in (text, unquote(text)))


def keepable(text: str) -> str:
    """The text without the characters that a catalog cannot hold."""
    return _UNKEPT.sub("\ufffd", text)


def redact_url(url: str) -> str:
    """An address as messages show it: scheme, host and path; neither user-info nor query."""
    bare = re.split(r"[?#]", url, maxsplit=1)[0]
    visible = re.sub(r"//[^/]*@", "//", bare)
    return "".join(character for character in visible if character.isprintable())[:300]


def redact_text(text: str, secrets: Collection[str] = ()) -> str:
    """One short line of somebody's text: no control characters, no queries of addresses, none of ``secrets``."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    line = " ".join(_USER_INFO.sub("//", _QUERY_IN_TEXT.sub(r"\1", text)).split())
    return "".join(character for character in line if character.isprintable())[:200]


def spellings(*sent: object) -> tuple[str, ...]:
    """What an answer may repeat of what was sent, and no message may: every text, its words, and both as addresses and
    forms write them; the longest first."""
    parts = {part for value in sent for text in _texts(value) for part in (text, *text.split())}
    long_enough = (part for part in parts if len(part) >= _SHORTEST_SECRET)
    forms = {form for part in long_enough for form in (part, quote(part, safe=""), quote_plus(part))}
    return tuple(sorted(forms, key=len, reverse=True))


def _texts(value: object) -> Iterator[str]:
    """Every text in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _texts(inner)
