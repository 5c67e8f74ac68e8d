"""Where faults strike a request: before it is read, instead of its answer, in the answer, and on the way."""

import json
from collections.abc import Iterable
from dataclasses import replace

from aiohttp import web

from archiver.sandbox.asked import Asked
from archiver.sandbox.delivery import USUAL, Manner, Outgoing
from archiver.sandbox.faults.fault import Body, Framing, Instead, Page, Question, Row, Scene, World
from archiver.sandbox.faults.plan import Faults
from archiver.sandbox.wire import Wire, read


def happen(faults: Faults, scene: Scene) -> None:
    """What the provider goes through before it looks at the request."""
    for fault, blow in faults.due(scene.asked, World):
        if fault.apply(scene, blow.strike):
            faults.land(blow)


def ask(faults: Faults, scene: Scene) -> web.Request:
    """The request as the provider takes it."""
    request = scene.request
    for fault, blow in faults.due(scene.asked, Question):
        if (changed := fault.apply(replace(scene, request=request), blow.strike)) is not None:
            faults.land(blow)
            request = changed
    return request


async def forestall(faults: Faults, scene: Scene) -> web.StreamResponse | None:
    """The first answer that a fault gives in place of the provider."""
    for fault, blow in faults.due(scene.asked, Instead):
        faults.land(blow)
        if (response := await fault.apply(scene, blow.strike)) is not None:
            return response
    return None


def misbehave(faults: Faults, wire: Wire, asked: Asked, outgoing: Outgoing) -> tuple[Outgoing, Manner]:
    """The answer as the faults in force want it.

    One fault of the content and one of the framing at most: those that wait strike the next time.
    """
    if not faults:
        return outgoing, USUAL
    if asked.endpoint in ("list", "retrieve") and outgoing.status < 400:
        outgoing = _edit(faults, wire, asked, outgoing)
    manner = USUAL
    for body, blow in faults.due(asked, Body):
        if (changed := body.apply(outgoing, blow.strike)) is not None:
            faults.land(blow)
            outgoing = changed
            break
    for framing, blow in faults.due(asked, Framing):
        if (chosen := framing.apply(outgoing, blow.strike)) is not None:
            faults.land(blow)
            manner = chosen
            break
    return outgoing, manner


def shown(wire: Wire, asked: Asked, outgoing: Outgoing, listed: Iterable[str]) -> list[str]:
    """Which of the recordings that were to be listed a page still shows."""
    known = set(listed)
    names = [wire.recording_id(row, asked.listing) for row in wire.rows_of(read(outgoing.body))]
    return [name for name in names if name in known]


def _edit(faults: Faults, wire: Wire, asked: Asked, outgoing: Outgoing) -> Outgoing:
    """The document with its rows, and then itself, as they are wanted."""
    document = read(outgoing.body)
    if document is None:
        return outgoing
    rows = [edited for row in wire.rows_of(document) for edited in _edit_row(faults, wire, asked, row)]
    wire.put_rows(document, rows)
    for fault, blow in faults.due(asked, Page):
        if (changed := fault.apply(document, wire, blow.strike)) is not None:
            faults.land(blow)
            document = changed
    return replace(outgoing, body=json.dumps(document).encode())


def _edit_row(faults: Faults, wire: Wire, asked: Asked, row: object) -> list[object]:
    recording_id = wire.recording_id(row, asked.listing)
    rows = [row]
    if recording_id is None:
        return rows
    for fault, blow in faults.due(replace(asked, recording_id=recording_id), Row):
        if isinstance(row, dict) and (changed := fault.apply(row, wire, blow.strike)) is not None:
            faults.land(blow)
            rows = changed
            row = rows[0] if len(rows) == 1 else None
    return rows
