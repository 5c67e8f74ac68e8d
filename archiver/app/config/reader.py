"""Reads parts of a parsed file as what they should be, and gathers everything that is wrong with them."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Union

from pydantic import TypeAdapter, ValidationError

from archiver.app.config.problems import KeyPath, Problem, translate
from archiver.app.config.secrets import Sources
from archiver.app.config.values import Count, Duration, Flag, LocalPath, RateLimit, SecretText, Text
from archiver.model.secret import Secret
from archiver.model.units import Rate

_KINDS: Final[Mapping[object, object]] = {
    str: Text,
    bool: Flag,
    int: Count,
    Secret: SecretText,
    Path: LocalPath,
    timedelta: Duration,
    Rate: RateLimit,
}


@dataclass(frozen=True, slots=True)
class Reader:
    """Where to resolve references, and what was found wrong so far."""

    sources: Sources
    problems: list[Problem] = field(default_factory=list)

    def value(self, kind: Any, raw: object, path: KeyPath) -> Any:
        """``raw`` as ``kind``; None when something in it is wrong."""
        adapter: TypeAdapter[object] = TypeAdapter(kind)
        try:
            return adapter.validate_python(raw, context=self.sources)
        except ValidationError as error:
            self.problems.extend(translate(error, kind, path))
            return None

    def fields(self, table: type, raw: Mapping[str, object], path: KeyPath) -> dict[str, Any]:
        """The fields of a plain dataclass that ``raw`` gives. One without a default must be given."""
        hints = typing.get_type_hints(table)
        values = {}
        for one in dataclasses.fields(table):
            if one.name in raw:
                values[one.name] = self.value(_read_as(hints[one.name]), raw[one.name], (*path, one.name))
            elif one.default is one.default_factory is dataclasses.MISSING:
                example = '{ env = "NAME" }' if hints[one.name] is Secret else "…"
                self.problems.append(Problem((*path, one.name), "is missing", f"write {one.name} = {example}"))
        return values


def _read_as(annotation: object) -> object:
    """How a field with a plain annotation is read from TOML: its secrets, paths and durations as everywhere."""
    arguments = tuple(_read_as(argument) for argument in typing.get_args(annotation))
    origin = typing.get_origin(annotation)
    if origin in (types.UnionType, Union):
        return Union[arguments]  # noqa: UP007 - made of values, not written as a type
    if origin is tuple:
        return types.GenericAlias(tuple, arguments)
    return _KINDS.get(annotation, annotation)
