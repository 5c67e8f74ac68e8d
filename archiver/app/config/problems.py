"""What is wrong with a configuration: collected as facts, told in plain words, all at once."""

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, Union

from pydantic import ValidationError

from archiver.app.config.lines import key_lines, line_of
from archiver.model.errors import ConfigError, Place

KeyPath: TypeAlias = tuple[str | int, ...]

_NEAR: Final = 0.4  # of 1; a guess that is too bold does no harm, it is put as a question
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_WORDS: Final = {
    "string_type": ("must be a string in quotes", "found"),
    "int_type": ("must be a whole number, like 10", "found"),
    "float_type": ("must be a number, like 0.5", "found"),
    "bool_type": ("must be true or false, without quotes", "found"),
    "tuple_type": ('must be a list, like ["a", "b"]', "found"),
    "frozen_set_type": ('must be a list, like ["a", "b"]', "found"),
    "dict_type": ('must be a table, like {{ name = "value" }}', "found"),
    "dataclass_type": ("must be a table", "found"),
    "string_too_short": ("must not be empty", None),
    "too_short": ("must not be an empty list", None),
    "greater_than_equal": ("must be at least {ge}", None),
    "greater_than": ("must be more than {gt}", None),
    "less_than_equal": ("must be at most {le}", None),
    "literal_error": ("must be {expected}", None),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that the operator must change. ``message`` never holds a value that could be secret."""

    path: KeyPath
    message: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """The file as it was read: the name to show for it, and its text."""

    name: str
    text: str


class Wrong(ValueError):
    """A value that a validator refuses. ``key`` names the key that is meant when a whole table is judged."""

    def __init__(self, message: str, *, fix: str | None = None, key: str | None = None) -> None:
        super().__init__(message)
        self.fix = fix
        self.key = key


def unknown_key(path: KeyPath, known: Iterable[str]) -> Problem:
    """The problem of a key that nobody reads, with the nearest one that somebody does."""
    known = sorted(known)
    near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=_NEAR)
    return Problem(path, "unknown key", f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}")


def translate(error: ValidationError, kind: object, path: KeyPath) -> list[Problem]:
    """Say what pydantic found in the value of type ``kind`` at ``path``, in our words."""
    details = error.errors(include_url=False)
    return [_problem(detail, kind, path) for detail in details]


def kind_of(value: object) -> str:
    """What a TOML value is, without showing it."""
    names = {bool: "a boolean", int: "a whole number", float: "a number", str: "a string", list: "a list"}
    return names.get(type(value), "a table" if isinstance(value, Mapping) else "a date or time")


def report(problems: Sequence[Problem], document: Document) -> ConfigError:
    """One error that tells every problem in the order of the file, and carries the facts of the first."""
    keys = key_lines(document.text)
    placed = sorted(((line_of(keys, problem.path), problem) for problem in problems), key=lambda pair: pair[0])
    places = [_place(document.name, line, problem) for line, problem in placed]
    lines = [_told(place) for place in places]
    first = placed[0][1]
    error = ConfigError(
        lines[0] if len(lines) == 1 else "\n".join([f"{len(lines)} problems in the configuration:", *lines]),
        fix=first.fix,
        key=dotted(first.path) or None,
        account=str(first.path[1]) if first.path[:1] == ("accounts",) and len(first.path) > 1 else None,
    )
    error.places = places
    return error


def dotted(path: KeyPath) -> str:
    """A path as the operator would write it: ``accounts.acme.listings[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        text += ("." if text else "") + (part if _BARE_KEY.fullmatch(part) else f'"{part}"')
    return text


def _place(name: str, line: int, problem: Problem) -> Place:
    return Place(f"{name}:{line}" if line else name, dotted(problem.path), problem.message, problem.fix)


def _told(place: Place) -> str:
    message = f"{place.message}; {place.fix}" if place.fix else place.message
    return ": ".join(filter(None, (place.line, place.key, message)))


def _problem(detail: Mapping[str, Any], kind: object, prefix: KeyPath) -> Problem:
    context, location = detail.get("ctx", {}), tuple(detail["loc"])
    path = prefix + location
    if detail["type"] == "unexpected_keyword_argument":
        return unknown_key(path, _keys_at(kind, location[:-1]))
    if detail["type"] == "value_error":
        return problem_of(context["error"], path)
    words, shows = _WORDS.get(detail["type"], ("has a value of the wrong kind", "found"))
    told = words.format_map({name: str(value).replace("'", '"') for name, value in context.items()})
    return Problem(path, f"{told}, not {kind_of(detail['input'])}" if shows else told)


def problem_of(error: ValueError, path: KeyPath) -> Problem:
    """The problem that a validator raised about what stands at ``path``."""
    if not isinstance(error, Wrong):
        return Problem(path, str(error))
    return Problem((*path, error.key) if error.key else path, str(error), error.fix)


def _keys_at(kind: object, location: KeyPath) -> list[str]:
    """The keys of the table at ``location`` below one that is read as ``kind``."""
    for part in location:
        kind = _table_in(typing.get_type_hints(kind)[str(part)])
    return [field.name for field in dataclasses.fields(typing.cast("type", kind))]


def _table_in(annotation: object) -> object:
    is_optional = typing.get_origin(annotation) in (Union, types.UnionType)
    members = typing.get_args(annotation) if is_optional else (annotation,)
    return next(member for member in members if dataclasses.is_dataclass(member))
