"""Faults of listings: pages, cursors and totals that lie, and a provider that changes while it is read."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from aiohttp import web

from archiver.sandbox.faults.fault import PROVIDERS, Fault, Page, Parameter, Question, Scene, Strike, World
from archiver.sandbox.population import Population
from archiver.sandbox.wire import Wire, peek, put

Change: TypeAlias = Callable[[Scene, Population, Strike], bool]

_LIST: Final = ("list",)


def _loop(document: Any, wire: Wire, _strike: Strike) -> Any | None:
    """The page names itself as the next one, or the first one under one and the same cursor."""
    again = wire.again(document)
    if again is None:
        return None
    put(document, wire.following, again)
    return document


def _empty_page(document: Any, wire: Wire, _strike: Strike) -> Any | None:
    """No rows, although there is more; a page without a next is left alone."""
    if not peek(document, wire.following) or not wire.rows_of(document):
        return None
    wire.put_rows(document, [])
    return document


def _wrong_total(document: Any, wire: Wire, strike: Strike) -> Any | None:
    total = peek(document, wire.total)
    if not isinstance(total, int) or not wire.total:
        return None
    put(document, wire.total, max(0, total + strike.number("by")))
    return document


def _strange_envelope(document: Any, _wire: Wire, _strike: Strike) -> Any:
    """Everything is there, under names that nobody wrote down."""
    return {"result": {"page": document}, "ok": True}


def _ignored_offset(scene: Scene, _strike: Strike) -> web.Request | None:
    """As if nobody had asked to go on: the first page comes whatever was asked for."""
    names = [name for name in scene.wire.positions if name in scene.request.query]
    return scene.request.clone(rel_url=scene.request.rel_url.without_query_params(*names)) if names else None


def _vanish(scene: Scene, part: Population, strike: Strike) -> bool:
    """The newest rows, which were read before, are deleted: what follows moves up."""
    recording_ids = part.ids()[: strike.number("count")]
    for recording_id in recording_ids:
        part.delete(recording_id)
        scene.ledger.note_deleted(recording_id, datetime.now(UTC))
    return bool(recording_ids)


def _arrive(_scene: Scene, part: Population, strike: Strike) -> bool:
    """New rows at the head: what follows moves down."""
    part.add(strike.number("count"), datetime.now(UTC))
    return True


def _late(_scene: Scene, part: Population, strike: Strike) -> bool:
    """Rows are missing at first, and turn up in their old places."""
    if strike.turn == 1:
        names = part.ids()
        part.hold_back(strike.random().sample(names, min(strike.number("count"), len(names))))
    elif strike.turn > strike.number("pages"):
        part.bring_back()
    return strike.turn == 1


def _empty_account(scene: Scene, _part: Population, _strike: Strike) -> bool:
    scene.stock.empty(is_empty=True)
    return True


def _expired(scene: Scene, _strike: Strike) -> bool:
    """All tokens end now, and this very request finds out."""
    scene.levers["expire_tokens"].pull(True)
    return True


def _between(name: str, sentence: str, apply: Change, *own: Parameter, times: int = 1) -> Fault:
    """A change of the listing that is being read; by default before every page."""

    def happen(scene: Scene, strike: Strike) -> bool:
        listing = scene.asked.listing
        return listing is not None and apply(scene, scene.stock.part(listing), strike)

    return Fault(name=name, help=sentence, act=World(happen), strikes=_LIST, parameters=own, share=1.0, times=times)


def _lie(
    name: str,
    sentence: str,
    apply: Callable[[Any, Wire, Strike], Any | None],
    *own: Parameter,
    providers: tuple[str, ...] = PROVIDERS,
) -> Fault:
    """A page that is wrong; by default every page, for ever."""
    act = Page(apply)
    return Fault(
        name=name, help=sentence, act=act, strikes=_LIST, parameters=own, providers=providers, share=1.0, times=0
    )


LISTINGS: Final = (
    _lie("loop", "Names a next page that has been read (D2).", _loop, providers=("vobiz", "kazoo")),
    Fault(
        name="empty_page",
        help="Sends a page without rows that names a next one (D2).",
        act=Page(_empty_page),
        strikes=_LIST,
        share=0.5,
    ),
    _lie(
        "wrong_total",
        "Claims so many rows more than there are, or fewer with a minus (D1, D2).",
        _wrong_total,
        Parameter("by", 5),
        providers=("vobiz", "vonage_vbc"),
    ),
    _lie("strange_envelope", "Sends pages in an envelope that nobody knows (D2).", _strange_envelope),
    Fault(
        name="ignored_offset",
        help="Sends the first page whatever offset, page or cursor is asked for (D2).",
        act=Question(_ignored_offset),
        strikes=_LIST,
        share=1.0,
        times=0,
    ),
    _between("vanish", "Deletes the newest rows before each page (D1).", _vanish, Parameter("count", 1)),
    _between("arrive", "Adds new rows before each page (D1).", _arrive, Parameter("count", 1)),
    _between(
        "late",
        "Holds rows back until the listing was asked for so many pages, then lists them under their old times (D3).",
        _late,
        Parameter("count", 3),
        Parameter("pages", 4),
        times=0,
    ),
    _between("empty_account", "Empties the account: listed as empty, and nothing is found (D2, X3).", _empty_account),
    Fault(
        name="expired",
        help="Ends every token in the middle of the run (O5).",
        act=World(_expired),
        reach=("media", "list", "retrieve", "delete"),
        providers=("vonage_vbc", "kazoo"),
    ),
)
