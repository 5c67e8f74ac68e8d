"""Faults of single rows: malformed ones, and names that want to be paths."""

from collections.abc import Sequence
from typing import Any, Final

from archiver.sandbox.faults.fault import Fault, Parameter, Row, Strike
from archiver.sandbox.wire import Wire

_MALFORMED: Final = ("no_id", "null", "text", "id_object", "bad_time", "bad_duration")
_HOSTILE: Final = ("traversal", "absolute", "control", "long", "unicode", "reserved")


def _malformed_row(row: dict[str, Any], wire: Wire, strike: Strike) -> list[Any]:
    match _choose(strike, _MALFORMED):
        case "no_id":
            del row[wire.name]
        case "null":
            return [None]
        case "text":
            return ["recording"]
        case "id_object":
            row[wire.name] = {"id": row[wire.name]}
        case "bad_time":
            row.update(dict.fromkeys(wire.moments, "yesterday"))
        case "bad_duration":
            row.update(dict.fromkeys(wire.durations, "-1 minute"))
    return [row]


def _repeated_row(row: dict[str, Any], _wire: Wire, _strike: Strike) -> list[Any]:
    return [row, row]


def _hostile_name(row: dict[str, Any], wire: Wire, strike: Strike) -> list[Any] | None:
    names = {name: _hostile(str(row[name]), strike) for name in wire.names if name in row}
    row.update(names)
    return [row] if names else None


def _hostile_id(row: dict[str, Any], wire: Wire, strike: Strike) -> list[Any]:
    row[wire.name] = _hostile(str(row[wire.name]), strike)
    return [row]


def _choose(strike: Strike, kinds: Sequence[str]) -> str:
    """The kind that was set, or any of them."""
    kind = strike.text("kind")
    return strike.random().choice(kinds) if kind == "any" else kind


def _hostile(name: str, strike: Strike) -> str:
    """A name that still tells which one it was."""
    forms = {
        "traversal": f"../../../../tmp/{name}",
        "absolute": f"/etc/cron.d/{name}",
        "control": f"{name}\x00\r\n\x1b[2J.json",
        "long": f"{name}-{'x' * 400}",
        "unicode": f"{name}\u202e3pm.\U0001f608\u00e9e\u0301",
        "reserved": f".archiver/{name}.",
    }
    return forms[_choose(strike, _HOSTILE)]


ROWS: Final = (
    Fault(
        name="malformed_row",
        help="Spoils single rows of a listing: no id, no object, a time or a length that is none (D6).",
        act=Row(_malformed_row),
        strikes=("list",),
        parameters=(Parameter("kind", "any", ("any", *_MALFORMED)),),
    ),
    Fault(
        name="repeated_row",
        help="Lists single rows twice in a row (O3).",
        act=Row(_repeated_row),
        strikes=("list",),
        times=0,
    ),
    Fault(
        name="hostile_name",
        help="Writes paths, control characters or 400 letters into file names (S3).",
        act=Row(_hostile_name),
        strikes=("list", "retrieve"),
        providers=("vonage_vbc", "kazoo"),
        parameters=(Parameter("kind", "any", ("any", *_HOSTILE)),),
        times=0,
    ),
    Fault(
        name="hostile_id",
        help="Writes paths, control characters or 400 letters into the ids of a listing (S3).",
        act=Row(_hostile_id),
        strikes=("list",),
        parameters=(Parameter("kind", "any", ("any", *_HOSTILE)),),
        times=0,
    ),
)
