"""Faults on the way: bodies that end early, stop, crawl, or are not the part that was asked for."""

from dataclasses import replace
from typing import Final

from aiohttp import web

from archiver.sandbox.audio import render
from archiver.sandbox.delivery import Manner, Outgoing, content_range
from archiver.sandbox.faults.fault import DOCUMENTS, Body, Fault, Framing, Parameter, Question, Scene, Strike

_REACH: Final = ("media", *DOCUMENTS)
_FRAMINGS: Final = Parameter("framing", "length", ("length", "chunked", "close"))
_PART: Final = Parameter("part", 0.5)


def _cut(outgoing: Outgoing, strike: Strike) -> Manner:
    """Some of the bytes, then the end of the connection. Only two of the three framings tell that it came early."""
    return Manner(framing=strike.text("framing"), stop_after=_part_of(outgoing, strike), end="close")


def _reset(outgoing: Outgoing, strike: Strike) -> Manner:
    return Manner(stop_after=_part_of(outgoing, strike), end="reset")


def _hang(outgoing: Outgoing, strike: Strike) -> Manner:
    return Manner(stop_after=_part_of(outgoing, strike), end="hang")


def _slow(_outgoing: Outgoing, strike: Strike) -> Manner:
    return Manner(bytes_per_s=max(1, strike.number("bytes_per_s")))


def _framed(_outgoing: Outgoing, strike: Strike) -> Manner:
    return Manner(framing=strike.text("framing"))


def _part_of(outgoing: Outgoing, strike: Strike) -> int:
    return int(outgoing.size_bytes * strike.factor("part"))


def _ignored_range(scene: Scene, _strike: Strike) -> web.Request | None:
    """As if nobody had asked for a part."""
    if "Range" not in scene.request.headers:
        return None
    return scene.request.clone(headers={k: v for k, v in scene.request.headers.items() if k != "Range"})


def _shifted_range(outgoing: Outgoing, strike: Strike) -> Outgoing | None:
    """Bytes from further ahead than was asked for, said openly or not."""
    if outgoing.audio is None or outgoing.status != 206:
        return None
    whole = render(outgoing.audio.clip)
    start = max(0, outgoing.audio.start - strike.number("by"))
    body = whole[start : start + len(outgoing.body)]
    stated = {"Content-Range": content_range(start, start + len(body), len(whole))}
    headers = {**outgoing.headers, **stated} if strike.values["honest"] else outgoing.headers
    return replace(outgoing, headers=headers, body=body, is_whole=False)


TRANSPORT: Final = (
    Fault(
        name="cut",
        help="Ends a body after this part of it; framed by close, nothing but its content tells (B1).",
        act=Framing(_cut),
        reach=_REACH,
        parameters=(_FRAMINGS, _PART),
    ),
    Fault(
        name="reset",
        help="Breaks the connection off after this part of a body (B1, B4).",
        act=Framing(_reset),
        reach=_REACH,
        parameters=(_PART,),
    ),
    Fault(
        name="hang",
        help="Stops after this part of a body, and keeps the connection open (P4).",
        act=Framing(_hang),
        reach=_REACH,
        parameters=(_PART,),
    ),
    Fault(
        name="slow",
        help="Sends a body at this speed (P4).",
        act=Framing(_slow),
        reach=_REACH,
        parameters=(Parameter("bytes_per_s", 2000),),
    ),
    Fault(
        name="framed",
        help="Sends a whole body in this framing, so that no length is known before its end (B1).",
        act=Framing(_framed),
        reach=_REACH,
        parameters=(Parameter("framing", "close", ("chunked", "close")),),
    ),
    Fault(
        name="ignored_range",
        help="Answers a range with the whole under 200 (B4).",
        act=Question(_ignored_range),
        strikes=("media", "store"),
        times=0,
    ),
    Fault(
        name="shifted_range",
        help="Answers a range with bytes from so many places earlier, openly if honest (B4).",
        act=Body(_shifted_range),
        parameters=(Parameter("by", 1), Parameter("honest", default=False)),
        times=0,
    ),
)
