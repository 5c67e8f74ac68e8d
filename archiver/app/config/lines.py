"""Where in a TOML text a key stands. The text was parsed before, so its grammar can be trusted here."""

import re
import tomllib
from collections.abc import Generator, Iterator, Mapping
from itertools import chain
from typing import Final, NamedTuple, TypeAlias

_TOKEN: Final = re.compile(
    r"""
    (?P<quoted> \"{3} (?:\\.|[^\\])*? \"{3,5} | '{3} .*? '{3,5} | "(?:\\.|[^"\\])*" | '[^']*' )
    | (?P<comment> \#[^\n]* )
    | (?P<mark> [\[\]{}=,\n] )
    | (?P<bare> [^\s\[\]{}=,.#"']+ )
    """,
    re.VERBOSE | re.DOTALL,
)

Lines: TypeAlias = Mapping[tuple[str | int, ...], int]
_Placed: TypeAlias = tuple[tuple[str, ...], int]


class _Token(NamedTuple):
    kind: str
    word: str
    line: int


def key_lines(text: str) -> Lines:
    """The first line (from 1) of every key and table, those of inline tables included."""
    lines: dict[tuple[str | int, ...], int] = {}
    for key, line in _document(_tokens(text)):
        for length in range(1, len(key) + 1):
            lines.setdefault(key[:length], line)
    return lines


def line_of(lines: Lines, path: tuple[str | int, ...]) -> int:
    """The line of the key at ``path``, else of the nearest table around it; 0 when there is none.

    Elements of lists have the line of their key.
    """
    return next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), 0)


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        if match.lastgroup not in (None, "comment"):
            yield _Token(str(match.lastgroup), match[0], line)
        line += match[0].count("\n")


def _document(tokens: Iterator[_Token]) -> Iterator[_Placed]:
    table: tuple[str, ...] = ()
    for token in tokens:
        if token.word == "[":
            table = _key(tokens, "]")
            yield table, token.line
        elif token.kind != "mark":
            key = table + _key(chain([token], tokens), "=")
            yield key, token.line
            yield from _value(tokens, key, "\n")


def _key(tokens: Iterator[_Token], end: str) -> tuple[str, ...]:
    """The parts of a dotted key, up to the mark that ends it."""
    parts = []
    for token in tokens:
        if token.word == end:
            break
        if token.kind != "mark":
            parts.append(_unquoted(token.word) if token.kind == "quoted" else token.word)
    return tuple(parts)


def _value(tokens: Iterator[_Token], key: tuple[str, ...], ends: str) -> Generator[_Placed, None, str]:
    """The keys inside a value, which goes up to one of the marks in ``ends``; returns that mark."""
    for token in tokens:
        if token.kind == "mark" and token.word in ends:
            return token.word
        if token.word == "[":
            yield from _value(tokens, key, "]")
        elif token.word == "{":
            yield from _inline_table(tokens, key)
    return ""


def _inline_table(tokens: Iterator[_Token], table: tuple[str, ...]) -> Iterator[_Placed]:
    for token in tokens:
        if token.word == "}":
            return
        if token.kind != "mark":
            key = table + _key(chain([token], tokens), "=")
            yield key, token.line
            if (yield from _value(tokens, key, ",}")) == "}":
                return


def _unquoted(word: str) -> str:
    return str(tomllib.loads(f"key = {word}")["key"])
