"""Vobiz as its pages describe it, over HTTP: listing, retrieve, delete, credential probe, and media on two more hosts.

The traps that the documentation and samples show are on from the start: a page cap below the limit asked for, links
without ``/api``, two shapes of retrieve, WAV behind ``.mp3``, 401 for a misspelt path, and media that a bucket on
another host may hold, which must never see the account's credentials.

What the pages leave open is decided here: a page's ``limit`` above the cap is clamped, a malformed ``limit`` or
``offset`` answers 400, unknown parameters are ignored, and the bucket wants a signature in the query.
Source: vobiz docs, authentication, recordings API and recording download guide, read 2026-11.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, ClassVar
from urllib.parse import urlencode

from aiohttp import web

from archiver.sandbox import hosting
from archiver.sandbox.asked import Asked
from archiver.sandbox.delivery import LISTED, deliver
from archiver.sandbox.faults.plan import Faults
from archiver.sandbox.hosting import STRANGER, House
from archiver.sandbox.ledger import Ledger
from archiver.sandbox.levers import Lever
from archiver.sandbox.listener import Listener
from archiver.sandbox.options import SandboxOptions
from archiver.sandbox.population import Population, Recording
from archiver.sandbox.store import Store
from archiver.sandbox.vobiz_documents import WIRE, Place, Quirks, recording_document

_DEFAULT_LIMIT = 20
_NOT_FOUND = "Recording not found"


class Vobiz:
    """One account of Vobiz with its recordings."""

    NAME: ClassVar[str] = "vobiz"
    HOSTS: ClassVar[tuple[str, ...]] = ("api", "media", "store")

    def __init__(self, options: SandboxOptions, listeners: Mapping[str, Listener]) -> None:
        plan = options.plan()
        self._listeners = listeners
        self._page_cap = options.page_cap
        self._key = f"vobiz/{plan.seed}".encode()
        self._auth_id = "MA_" + self._keyed("auth_id")[:8].upper()
        self._auth_token = self._keyed("auth_token")
        self._place = Place(self._auth_id, listeners["media"].origin)
        self.base_url = f"{listeners['api'].origin}/api/v1"
        self.population = Population(self.NAME, plan)
        endpoints = ("list", "retrieve", "delete", "auth_me", "media", "store")
        self.ledger = Ledger(self._auth_id, self.population, endpoints)
        self.levers: Mapping[str, Lever] = {}
        self.house = House(
            ledger=self.ledger,
            faults=Faults(self.NAME, options, self.ledger),
            wire=WIRE,
            stock=self.population,
            levers=self.levers,
            stranger=listeners[STRANGER].origin,
        )
        self._store = Store(listeners["store"].origin, self.population, self.house, self._signature)

    def account_settings(self) -> dict[str, Any]:
        """What a configuration says about this account. The store is private too, but gets no credentials."""
        return {
            "provider": self.NAME,
            "base_url": self.base_url,
            "auth_id": self._auth_id,
            "auth_token": self._auth_token,
            "allow_http": True,
            "allow_private_hosts": True,
            "credential_hosts": [self._listeners["api"].host, self._listeners["media"].host],
            "rate_limit": "1000/s",
            "concurrency": 8,
        }

    def applications(self) -> dict[str, web.Application]:
        """What each host answers, the catch-all last."""
        recordings = f"/api/v1/Account/{self._auth_id}/Recording/"
        api = hosting.host(
            self.house,
            _describe,
            self._check_credentials,
            web.get("/api/v1/auth/me", self._auth_me, name="auth_me", allow_head=False),
            web.get(recordings, self._list, name="list", allow_head=False),
            web.get(recordings + "{recording_id}/", self._retrieve, name="retrieve", allow_head=False),
            web.delete(recordings + "{recording_id}/", self._delete, name="delete"),
            web.route("*", "/{path:.*}", self._unauthorized),
        )
        media = hosting.host(
            self.house,
            _describe,
            self._check_credentials,
            web.get(recordings + r"{recording_id}.{extension:mp3|wav}", self._media, name="media", allow_head=False),
            web.route("*", "/{path:.*}", self._not_found),
        )
        store = self._store.application(lambda recording: Quirks.of(recording).content_type)
        return {"api": api, "media": media, "store": store}

    def _check_credentials(self, request: web.Request) -> web.Response | None:
        claimed = (request.headers.get("X-Auth-ID", ""), request.headers.get("X-Auth-Token", ""))
        return None if claimed == (self._auth_id, self._auth_token) else _refusal(401, "Unauthorized")

    async def _unauthorized(self, _request: web.Request) -> web.Response:
        """Wrong casing, a missing slash, another account: all are documented to look like bad credentials."""
        return _refusal(401, "Unauthorized")

    async def _not_found(self, _request: web.Request) -> web.Response:
        return _refusal(404, "Not found")

    async def _auth_me(self, _request: web.Request) -> web.Response:
        return _answer({"auth_id": self._auth_id})

    async def _list(self, request: web.Request) -> web.Response:
        try:
            limit = min(_bounded(request, "limit", _DEFAULT_LIMIT, 1), self._page_cap)
            offset = _bounded(request, "offset", 0, 0)
        except ValueError as error:
            return _refusal(400, str(error))
        filters = {name: request.query[name] for name in ("call_uuid", "recording_type") if name in request.query}
        total, page = self._page(filters, offset, limit)
        now = datetime.now(UTC)
        request[LISTED] = tuple(recording.recording_id for recording in page)
        self.population.note_listing()
        return _answer(
            {
                "meta": self._meta(filters, limit, offset, total),
                "objects": [recording_document(recording, self._place, now) for recording in page],
            }
        )

    def _page(self, filters: Mapping[str, str], offset: int, limit: int) -> tuple[int, list[Recording]]:
        """How many recordings match, and the page of them."""
        if not filters:
            return len(self.population), self.population.newest(offset, limit)
        matching = [found for found in self.population.all_newest_first() if _matches(found, filters)]
        return len(matching), matching[offset : offset + limit]

    def _meta(self, filters: Mapping[str, str], limit: int, offset: int, total: int) -> dict[str, Any]:
        def link(start: int) -> str:
            return f"{self._place.resource_uri()}?{urlencode({**filters, 'limit': limit, 'offset': start})}"

        return {
            "limit": limit,
            "next": link(offset + limit) if offset + limit < total else None,
            "offset": offset,
            "previous": link(max(0, offset - limit)) if offset else None,
            "total_count": total,
        }

    async def _retrieve(self, request: web.Request) -> web.Response:
        recording = self.population.find(request.match_info["recording_id"])
        if recording is None:
            return _refusal(404, _NOT_FOUND)
        document = recording_document(recording, self._place, datetime.now(UTC))
        if Quirks.of(recording).is_enveloped:
            return _answer({"meta": self._meta({}, _DEFAULT_LIMIT, 0, 1), "objects": [document]})
        return _answer(document)

    async def _delete(self, request: web.Request) -> web.Response:
        """Gone at once, with its audio."""
        recording_id = request.match_info["recording_id"]
        if not self.population.delete(recording_id):
            return _refusal(404, _NOT_FOUND)
        self.ledger.note_deleted(recording_id, datetime.now(UTC))
        return web.Response(status=204)

    async def _media(self, request: web.Request) -> web.StreamResponse:
        recording = self.population.find(request.match_info["recording_id"])
        if recording is None or request.match_info["extension"] != Quirks.of(recording).extension:
            return _refusal(404, _NOT_FOUND)
        if Quirks.of(recording).is_redirected:
            return web.Response(status=302, headers={"Location": self._store.url(recording.recording_id)})
        return deliver(request, recording, {"Content-Type": Quirks.of(recording).content_type})

    def _signature(self, recording_id: str) -> str:
        return self._keyed("store" + recording_id)

    def _keyed(self, text: str) -> str:
        """Thirty-two hexadecimal digits that only this account's seed gives."""
        return blake2b(text.encode(), key=self._key, digest_size=16).hexdigest()


def _describe(request: web.Request) -> Asked:
    endpoint = hosting.endpoint(request)
    if endpoint == "list":
        return Asked(endpoint=endpoint, listing="recordings", query=request.query_string)
    return Asked(endpoint=endpoint, recording_id=request.match_info.get("recording_id"))


def _matches(recording: Recording, filters: Mapping[str, str]) -> bool:
    facts = {"call_uuid": recording.call_id, "recording_type": Quirks.of(recording).recording_type}
    return all(facts[name] == wanted for name, wanted in filters.items())


def _bounded(request: web.Request, name: str, default: int, least: int) -> int:
    """A whole number out of the query. Raises: ValueError when it is none, or below ``least``."""
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise ValueError(f"{name} must be a whole number of at least {least}")
    return int(text)


def _answer(document: dict[str, Any], status: int = 200) -> web.Response:
    return web.json_response({"api_id": str(uuid.uuid4()), **document}, status=status)


def _refusal(status: int, error: str) -> web.Response:
    return _answer({"error": error}, status)
