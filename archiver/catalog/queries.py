"""The named queries of ``sql/``. A query begins with a line ``-- name: NAME`` and goes on to the next such line."""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

_NAME: Final = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)
FILES: Final = ("intake", "work", "view", "custody", "coordination", "statistics", "notices", "upkeep")


def load(file: str) -> Mapping[str, str]:
    """The queries of ``sql/FILE.sql`` by name, each with its comment, so that the server's log shows what it is."""
    text = files("archiver.catalog").joinpath("sql", f"{file}.sql").read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    return {name: query.strip() for name, query in zip(parts[::2], parts[1::2], strict=True)}
