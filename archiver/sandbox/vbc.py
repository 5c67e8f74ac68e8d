"""Vonage VBC as its pages describe it, over HTTP: tokens, company and user listings, retrieve, delete, media.

The traps that the pages and samples show are on from the start: ids that a company and a user recording share, page
numbers that may begin with 0 or 1, links without filters, rows that turn up late with an old start, a quota for each
token without ``Retry-After``, numbers as strings, refresh tokens for one use, and media that a bucket on another host
may hold, which must never see the token.

What the pages leave open is decided here: a ``page_size`` above the cap is clamped, parameters that cannot be read
answer 400, another account answers 403 and another user 404, the password grant gives the token in force, a refresh
leaves earlier tokens good, and the quota slides, counts media and not logins.
Source: vonage VBC call recording API, specification 1.0.1 and developer pages, read 2026-11.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, ClassVar
from uuid import UUID

from aiohttp import web

from archiver.sandbox import hosting
from archiver.sandbox.asked import Asked
from archiver.sandbox.audio import Encoding
from archiver.sandbox.delivery import LISTED, deliver
from archiver.sandbox.faults.plan import Faults
from archiver.sandbox.hosting import STRANGER, House
from archiver.sandbox.ledger import Ledger
from archiver.sandbox.levers import Lever, is_true
from archiver.sandbox.listener import Listener
from archiver.sandbox.options import SandboxOptions
from archiver.sandbox.population import Habits, Plan, Population, Recording
from archiver.sandbox.quotas import SlidingMinute
from archiver.sandbox.shelves import Shelves
from archiver.sandbox.store import Store
from archiver.sandbox.tokens import TokenDesk
from archiver.sandbox.vbc_documents import COMPANY, WIRE, Leaf, Place, Quirks, page_document, recording_document
from archiver.sandbox.vbc_filters import Query
from archiver.sandbox.vbc_login import Login

_BASE = "/t/vbc.prod/call_recording"
_LISTING = "/accounts/{account}/{listing:company_call_recordings|users/[^/]+/call_recordings}"
_MEDIA_TYPE = "audio/mpeg"
_FIRST_AUDIO_NUMBER = 1_000_000


class VonageVbc:
    """One account of VBC: its company recordings and those of two users, the first of whom logs in."""

    NAME: ClassVar[str] = "vonage_vbc"
    HOSTS: ClassVar[tuple[str, ...]] = ("api", "store")

    def __init__(self, options: SandboxOptions, listeners: Mapping[str, Listener]) -> None:
        plan = options.plan()
        self._options = options
        self._host = listeners["api"].host
        self._key = f"vonage_vbc/{plan.seed}".encode()
        self._account_id = self._number("account", 100_000, 900_000)
        self._user_ids = tuple(self._number(f"user/{place}", 200_000 + 300_000 * place, 300_000) for place in (0, 1))
        self._first_id = int(self._number("recording", 100_000, 800_000))
        self._listings = (COMPANY, *(f"user:{user_id}" for user_id in self._user_ids))
        self.base_url = f"{listeners['api'].origin}{_BASE}"
        self._place = Place(self.base_url, self._account_id)
        self._shelves = Shelves(self._populations(plan))
        endpoints = ("login", "list", "retrieve", "delete", "media", "store")
        self.ledger = Ledger(self._account_id, self._shelves, endpoints)
        self._desk = TokenDesk(options.vbc.token_life, self._keyed)
        self._login = Login(self._desk, self._keyed)
        self.levers: Mapping[str, Lever] = {"expire_tokens": Lever(is_true, "true", lambda _: self._desk.end_all())}
        self.house = House(
            ledger=self.ledger,
            faults=Faults(self.NAME, options, self.ledger),
            wire=WIRE,
            stock=self._shelves,
            levers=self.levers,
            stranger=listeners[STRANGER].origin,
        )
        self._store = Store(listeners["store"].origin, self._shelves, self.house, self._signature)
        self._quotas: defaultdict[str, SlidingMinute] = defaultdict(lambda: SlidingMinute(options.vbc.quota_per_min))

    @property
    def population(self) -> Shelves:
        """The recordings of all listings; an id is the listing's name, a colon and VBC's number."""
        return self._shelves

    def account_settings(self) -> dict[str, Any]:
        """What a configuration says about this account. The store is private too, but gets no credentials."""
        return {
            "provider": self.NAME,
            "base_url": self.base_url,
            "account_id": "self",
            "listings": ["company", "users"],
            "user_ids": list(self._user_ids),
            **self._login.settings(),
            "allow_http": True,
            "allow_private_hosts": True,
            "credential_hosts": [self._host],
            "rate_limit": f"{self._options.vbc.quota_per_min}/min",
            "concurrency": 8,
        }

    def applications(self) -> dict[str, web.Application]:
        """What each host answers, the catch-all last."""
        root = _BASE + "{version:(?:/v1)?}/api"
        api = hosting.host(
            self.house,
            self._describe,
            self._check,
            web.post("/token", self._login.answer, name="login"),
            web.get(root + _LISTING, self._list, name="list", allow_head=False),
            web.get(root + _LISTING + r"/{number:\d+}", self._retrieve, name="retrieve", allow_head=False),
            web.delete(root + _LISTING + r"/{number:\d+}", self._delete, name="delete"),
            web.get(root + r"/audio/recording/{number:\d+}", self._media, name="media", allow_head=False),
            web.route("*", "/{path:.*}", _not_found),
        )
        return {"api": api, "store": self._store.application(lambda _: _MEDIA_TYPE)}

    def _populations(self, plan: Plan) -> dict[str, Population]:
        """Six recordings in ten are the company's, three the first user's; late ones turn up with both of these."""
        users = (plan.count * 3 // 10, plan.count // 10)
        counts = (plan.count - sum(users), *users)
        late = plan.late_arrivals * 2 // 5
        lates = (plan.late_arrivals - late, late, 0)
        return {
            listing: Population(
                f"{self.NAME}/{listing}",
                replace(plan, count=count, late_arrivals=late),
                Habits(encodings=(Encoding.MP3,), name=self._namer(listing), late_anywhere=True),
            )
            for listing, count, late in zip(self._listings, counts, lates, strict=True)
        }

    def _namer(self, listing: str) -> Callable[[int, datetime, UUID], str]:
        def name(number: int, _added_at: datetime, _drawn: UUID) -> str:
            return f"{listing}:{self._first_id + number}"

        return name

    def _describe(self, request: web.Request) -> Asked:
        endpoint = hosting.endpoint(request)
        if endpoint == "media":
            return Asked(endpoint=endpoint, recording_id=self._recording_id(request))
        listing = self._listing(request) if "listing" in request.match_info else None
        number = request.match_info.get("number")
        if listing is None or number is None:
            return Asked(endpoint=endpoint, listing=listing, query=request.query_string)
        return Asked(endpoint=endpoint, recording_id=f"{listing}:{number}", listing=listing)

    def _check(self, request: web.Request) -> web.Response | None:
        """The token, its quota, and the account in the path; a login needs none of them."""
        if hosting.endpoint(request) == "login":
            return None
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._desk.is_good(token):
            return web.Response(status=401, text="Unauthorized")
        if not self._quotas[token].admits(time.monotonic()):
            return _throttled()
        is_ours = request.match_info.get("account", "self") in {"self", self._account_id}
        return None if is_ours else web.Response(status=403, text="Forbidden")

    async def _list(self, request: web.Request) -> web.Response:
        listing = self._listing(request)
        if listing is None:
            return await _not_found(request)
        try:
            query = Query.parse(request.query, self._options.page_cap)
        except ValueError as error:
            return _invalid(str(error))
        base = self._options.vbc.page_base
        number = max(base, base if query.page is None else query.page)
        total, page = self._page(listing, query, number - base)
        leaf = Leaf(listing=listing, base=base, number=number, size=query.size, total=total)
        response = web.json_response(page_document(leaf, self._place, [self._document(found) for found in page]))
        request[LISTED] = tuple(recording.recording_id for recording in page)
        self._shelves.part(listing).note_listing()
        return response

    def _page(self, listing: str, query: Query, pages_before: int) -> tuple[int, list[Recording]]:
        """How many recordings match, and the page of them."""
        shelf = self._shelves.part(listing)
        found = [stamp.recording_id for stamp in shelf.between(query.first, query.last)]
        if query.filters:
            found = [name for name in found if query.passes(self._document(shelf.was(name)))]
        if query.oldest_first:
            found.reverse()
        start = pages_before * query.size
        return len(found), [shelf.was(recording_id) for recording_id in found[start : start + query.size]]

    async def _retrieve(self, request: web.Request) -> web.Response:
        recording = self._shelves.find(f"{self._listing(request)}:{request.match_info['number']}")
        return await _not_found(request) if recording is None else web.json_response(self._document(recording))

    async def _delete(self, request: web.Request) -> web.Response:
        """For good, and only where the recording is listed."""
        recording_id = f"{self._listing(request)}:{request.match_info['number']}"
        if not self._shelves.delete(recording_id):
            return await _not_found(request)
        self.ledger.note_deleted(recording_id, datetime.now(UTC))
        return web.Response(status=204)

    async def _media(self, request: web.Request) -> web.StreamResponse:
        recording = self._shelves.find(self._recording_id(request))
        if recording is None:
            return await _not_found(request)
        if Quirks.of(recording).is_redirected:
            return web.Response(status=302, headers={"Location": self._store.url(recording.recording_id)})
        return deliver(request, recording, {"Content-Type": _MEDIA_TYPE})

    def _listing(self, request: web.Request) -> str | None:
        """The contract's name of the listing in the path, None for an unknown user."""
        path = request.match_info["listing"]
        user_id = path.split("/")[1] if "/" in path else None
        if user_id is None:
            return COMPANY
        listing = f"user:{self._user_ids[0] if user_id == 'self' else user_id}"
        return listing if listing in self._listings else None

    def _document(self, recording: Recording) -> dict[str, Any]:
        listing, _, number = recording.recording_id.rpartition(":")
        place = (int(number) - self._first_id) * len(self._listings) + self._listings.index(listing)
        return recording_document(recording, self._place, _FIRST_AUDIO_NUMBER + place)

    def _recording_id(self, request: web.Request) -> str:
        """Which recording a download address means: its number is that of the row and that of the listing in one."""
        number, place = divmod(int(request.match_info["number"]) - _FIRST_AUDIO_NUMBER, len(self._listings))
        return f"{self._listings[place]}:{self._first_id + number}"

    def _signature(self, recording_id: str) -> str:
        return self._keyed("store" + recording_id)

    def _number(self, name: str, least: int, count: int) -> str:
        return str(least + int(self._keyed(name), 16) % count)

    def _keyed(self, text: str) -> str:
        """Thirty-two hexadecimal digits that only this account's seed gives."""
        return blake2b(text.encode(), key=self._key, digest_size=16).hexdigest()


async def _not_found(_request: web.Request) -> web.Response:
    return web.Response(status=404, text="Not Found")


def _throttled() -> web.Response:
    """The gateway's own words, without a ``Retry-After``."""
    fault = {
        "code": 900802,
        "message": "Message throttled out",
        "description": "You have exceeded your quota",
    }
    return web.json_response({"fault": fault}, status=429)


def _invalid(reason: str) -> web.Response:
    """A sister API's form: which parameter, and why."""
    name, _, text = reason.rpartition(": ")
    refusal = {"status": 400, "title": "Bad Request", "invalid_parameters": [{"name": name, "reason": text}]}
    return web.json_response(refusal, status=400)
