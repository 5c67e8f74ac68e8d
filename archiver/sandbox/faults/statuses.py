"""Faults of the status: refusals, throttling and failures, redirects, and no answer at all."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from aiohttp import web

from archiver.sandbox.delivery import linger, reset
from archiver.sandbox.faults.fault import DOCUMENTS, Fault, Instead, Parameter, Scene, Strike

_EVERYWHERE: Final = (*DOCUMENTS, "auth_me", "media", "store")
_WAYS: Final = ("stranger", "https", "file", "metadata", "userinfo", "self", "endless")


async def _status(_scene: Scene, strike: Strike) -> web.Response:
    return _refuse(strike.number("code"), {})


async def _unauthorized(_scene: Scene, _strike: Strike) -> web.Response:
    return _refuse(401, {})


async def _throttled(_scene: Scene, strike: Strike) -> web.Response:
    """What ``Retry-After`` may be: seconds, a date, or not there."""
    seconds = strike.number("seconds")
    date = datetime.now(UTC) + timedelta(seconds=seconds)
    waits = {"seconds": str(seconds), "date": f"{date:%a, %d %b %Y %H:%M:%S GMT}"}
    wait = waits.get(strike.text("retry_after"))
    return _refuse(429, {"Retry-After": wait} if wait else {})


def _refuse(status: int, headers: dict[str, str]) -> web.Response:
    """In words of no provider: the status has to be enough."""
    document = {"error": str(status), "message": "on order", "status": "error", "data": {}}
    return web.json_response(document, status=status, headers=headers)


async def _no_answer(scene: Scene, strike: Strike) -> web.Response:
    """The connection goes away before a byte came, or stays and says nothing."""
    transport = scene.request.transport
    match strike.text("how"):
        case "reset":
            reset(scene.request)
        case "hang":
            await linger(scene.request)
        case _ if transport is not None:
            transport.close()
    return web.Response()


async def _delay(_scene: Scene, strike: Strike) -> None:
    await asyncio.sleep(strike.factor("seconds"))


async def _redirect(scene: Scene, strike: Strike) -> web.Response:
    """To another origin that has the audio, or to where nobody should go."""
    elsewhere, hop = scene.elsewhere, int(scene.request.query.get("hop", "0")) + 1
    locations = {
        "stranger": elsewhere,
        "https": elsewhere.replace("http://", "https://"),
        "file": "file:///etc/passwd",
        "metadata": "http://169.254.169.254/latest/meta-data/",
        "userinfo": elsewhere.replace("http://", "http://archive:secret@"),
        "self": str(scene.request.url),
        "endless": str(scene.request.url.update_query(hop=hop)),
    }
    return web.Response(status=strike.number("code"), headers={"Location": locations[strike.text("to")]})


STATUSES: Final = (
    Fault(
        name="status",
        help="Answers with this status, 404 and 403 included (B5, D7, O5).",
        act=Instead(_status),
        reach=_EVERYWHERE,
        parameters=(Parameter("code", 503),),
    ),
    Fault(
        name="unauthorized",
        help="Answers 401 although the credentials are right (D7, O5).",
        act=Instead(_unauthorized),
        reach=_EVERYWHERE,
    ),
    Fault(
        name="throttled",
        help="Answers 429 with Retry-After in seconds, as a date, or without it (P1).",
        act=Instead(_throttled),
        reach=_EVERYWHERE,
        parameters=(Parameter("retry_after", "seconds", ("seconds", "date", "absent")), Parameter("seconds", 1)),
    ),
    Fault(
        name="no_answer",
        help="Breaks the connection off before an answer, ends it, or keeps it open in silence (P4, R1).",
        act=Instead(_no_answer),
        reach=_EVERYWHERE,
        parameters=(Parameter("how", "reset", ("reset", "close", "hang")),),
    ),
    Fault(
        name="delay",
        help="Answers rightly, so many seconds late (P4).",
        act=Instead(_delay),
        reach=_EVERYWHERE,
        parameters=(Parameter("seconds", 1.0),),
    ),
    Fault(
        name="redirect",
        help="Redirects to another origin or scheme, or in circles; the stranger has the audio (S1, S2).",
        act=Instead(_redirect),
        reach=_EVERYWHERE,
        parameters=(Parameter("to", "stranger", _WAYS), Parameter("code", 302)),
    ),
)
