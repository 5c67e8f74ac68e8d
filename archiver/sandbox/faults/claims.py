"""Faults of what is claimed: documents that say something else than what is served."""

from typing import Any, Final

from archiver.sandbox.faults.fault import Fault, Parameter, Row, Strike
from archiver.sandbox.wire import Wire

_DOCUMENTS: Final = ("list", "retrieve")


def _wrong_size(row: dict[str, Any], wire: Wire, strike: Strike) -> list[Any] | None:
    if not wire.sizes:
        return None
    for name in wire.sizes:
        row[name] = max(0, int(row[name]) + strike.number("by"))
    return [row]


def _wrong_duration(row: dict[str, Any], wire: Wire, strike: Strike) -> list[Any] | None:
    for name in wire.durations:
        if name in row:
            row[name] = _scaled(row[name], strike.factor("factor"))
    return [row]


def _scaled(value: object, factor: float) -> object:
    """A number times something, written as it was before."""
    whole, point, fraction = str(value).partition(".")
    scaled = f"{round(int(whole) * factor)}{point}{fraction}"
    return scaled if isinstance(value, str) else int(scaled)


CLAIMS: Final = (
    Fault(
        name="wrong_size",
        help="Claims a size that is off by so many bytes, in listing and retrieve alike (B3).",
        act=Row(_wrong_size),
        strikes=_DOCUMENTS,
        providers=("vonage_vbc",),
        parameters=(Parameter("by", 1000),),
        times=0,
    ),
    Fault(
        name="wrong_duration",
        help="Claims so many times the real duration, in listing and retrieve alike (B3).",
        act=Row(_wrong_duration),
        strikes=_DOCUMENTS,
        parameters=(Parameter("factor", 3.0),),
        times=0,
    ),
)
