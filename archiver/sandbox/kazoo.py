"""Kazoo's Crossbar over HTTP: two logins, listings by window, retrieve, delete, and media by ``Accept``.

The traps that source and documentation show are on from the start: Gregorian seconds, a default window of 31 days,
months with both defects at their seams, tokens of a fixed life that every envelope repeats, a 404 that repeats a wrong
API key, documents before their audio, ``Accept`` that gives a document or nothing where audio was meant, and a bucket
of tokens from which a login takes 35.

What they leave open is decided here: a page size above what is allowed answers 416 however few rows there are, a
cursor that cannot be read answers 400, 406 has no body, and credentials in a query are passed over.
Source: 2600hz/kazoo, master and branch 4.3, read 2026-11.
"""

import re
import time
from base64 import urlsafe_b64encode
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from json import JSONDecodeError
from random import Random
from typing import Any, ClassVar
from uuid import uuid4

from aiohttp import web

from archiver.sandbox import hosting, kazoo_envelope
from archiver.sandbox.asked import Asked
from archiver.sandbox.delivery import LISTED
from archiver.sandbox.faults.plan import Faults
from archiver.sandbox.hosting import STRANGER, House
from archiver.sandbox.kazoo_documents import WIRE, Quirks, file_name, media_type, recording_document
from archiver.sandbox.kazoo_envelope import UNAVAILABLE, Reply
from archiver.sandbox.kazoo_login import refuse_api_key, refuse_user
from archiver.sandbox.kazoo_media import Form, answer_media, negotiate
from archiver.sandbox.kazoo_months import SPAN, Key, Months, gregorian
from archiver.sandbox.kazoo_query import Query, Refused, write_key
from archiver.sandbox.ledger import Ledger, Standing
from archiver.sandbox.levers import Lever, is_list_of_texts, is_true
from archiver.sandbox.listener import Listener
from archiver.sandbox.options import SandboxOptions
from archiver.sandbox.population import Population, Recording
from archiver.sandbox.quotas import TokenBucket
from archiver.sandbox.tokens import TokenDesk

_LOGIN_COST = 35
_LARGEST_PAGE = 100
_RECORDING_ID = re.compile(r"\d{6}-[0-9a-f]{32}")


class Kazoo:
    """One account of Kazoo with two users. A third of the recordings belongs to nobody."""

    NAME: ClassVar[str] = "kazoo"
    HOSTS: ClassVar[tuple[str, ...]] = ("api",)

    def __init__(self, options: SandboxOptions, listeners: Mapping[str, Listener]) -> None:
        plan = options.plan()
        self._options = options
        self._key = f"kazoo/{plan.seed}".encode()
        self._account_id, *self._user_ids = (self._keyed(name) for name in ("account", "user/0", "user/1"))
        self._api_key = self._keyed("api_key/0") + self._keyed("api_key/1")
        self._earliest = plan.anchor - SPAN - timedelta(days=1)
        self.base_url = f"{listeners['api'].origin}/v2"
        self._months = Months(self.NAME, plan, options.kazoo.straddlers)
        self._waiting = self._draw_waiting()
        self._desk = TokenDesk(options.kazoo.token_life, self._token)
        self._buckets: defaultdict[str, TokenBucket] = defaultdict(
            lambda: TokenBucket(options.kazoo.bucket_tokens, options.kazoo.refill_per_s)
        )
        self._failures: deque[str] = deque()
        endpoints = ("login", "list", "retrieve", "delete", "media")
        self.ledger = Ledger(self._account_id, self.population, endpoints, self._standing)
        self.levers: Mapping[str, Lever] = {
            "expire_tokens": Lever(is_true, "true", lambda _: self._desk.end_all()),
            "make_ready": Lever(is_list_of_texts, "a list of ids", self._make_ready),
            "answer_503": Lever(_are_reasons, f"a list of {', '.join(UNAVAILABLE)}", self._failures.extend),
        }
        self.house = House(
            ledger=self.ledger,
            faults=Faults(self.NAME, options, self.ledger),
            wire=WIRE,
            stock=self.population,
            levers=self.levers,
            stranger=listeners[STRANGER].origin,
        )

    @property
    def population(self) -> Population:
        """All recordings, in whatever database they are."""
        return self._months.population

    def account_settings(self) -> dict[str, Any]:
        """What a configuration says about this account."""
        return {
            "provider": self.NAME,
            "base_url": self.base_url,
            "account_id": self._account_id,
            "api_key": self._api_key,
            "listings": ["account"],
            "since": self._earliest.astimezone(UTC).date().isoformat(),
            "page_size": min(self._options.page_cap, _LARGEST_PAGE),
            "allow_http": True,
            "rate_limit": f"{self._options.kazoo.refill_per_s}/s",
            "concurrency": 4,
        }

    def applications(self) -> dict[str, web.Application]:
        """What the one host answers, the catch-all last."""
        root = "/v2/accounts/{account}"
        recording = root + "/recordings/{recording_id}"
        api = hosting.host(
            self.house,
            _describe,
            self._check,
            web.put("/v2/{way:api_auth|user_auth}", self._login, name="login"),
            web.get(root + "{owner:(?:/users/[^/]+)?}/recordings", self._list, name="list", allow_head=False),
            web.get(recording, self._show, name="recording", allow_head=False),
            web.delete(recording, self._delete, name="delete"),
            web.patch(recording, self._patch),
            web.route("*", "/{path:.*}", self._nothing),
        )
        return {"api": api}

    def _check(self, request: web.Request) -> web.Response | None:
        """The bucket of this address, then the token, the account in the path, and failures that were ordered."""
        if not self._bucket(request).admits(_cost(request), time.monotonic()):
            return self._answer(request, kazoo_envelope.too_many_requests())
        reply = None if hosting.endpoint(request) == "login" else self._refuse(request)
        return None if reply is None else self._answer(request, reply)

    def _refuse(self, request: web.Request) -> Reply | None:
        token = _token_of(request)
        if not token:
            return kazoo_envelope.no_credentials()
        if not self._desk.is_good(token):
            return kazoo_envelope.invalid_token()
        if request.match_info.get("account", self._account_id) != self._account_id:
            return kazoo_envelope.forbidden()
        if self._failures:
            database = f"account/{self._account_id[:2]}/{self._account_id[2:4]}/{self._account_id[4:]}"
            is_listing = hosting.endpoint(request) == "list"
            return kazoo_envelope.unavailable(self._failures.popleft(), database, is_listing=is_listing)
        return None

    async def _login(self, request: web.Request) -> web.Response:
        try:
            document = await request.json()
        except (JSONDecodeError, UnicodeDecodeError):
            document = None
        given = document.get("data") if isinstance(document, dict) else None
        data = given if isinstance(given, dict) else {}
        is_key = request.match_info["way"] == "api_auth"
        refusal = refuse_api_key(data, self._api_key) if is_key else refuse_user(data)
        if refusal is not None:
            return self._answer(request, refusal)
        facts = {"account_id": self._account_id, "owner_id": None if is_key else self._user_ids[0]}
        named = {name: value for name, value in facts.items() if value}
        return self._answer(request, Reply(status=201, data=named), self._desk.issue().access)

    async def _list(self, request: web.Request) -> web.Response:
        owner_id = request.match_info["owner"].removeprefix("/users/") or None
        if owner_id not in (None, *self._user_ids):
            return self._answer(request, kazoo_envelope.missing_document(str(owner_id)))
        most_rows = self._options.kazoo.most_rows
        try:
            query = Query.parse(request.query, gregorian(datetime.now(UTC)), most_rows)
        except Refused as refused:
            return self._answer(request, refused.reply)
        keys = self._months.keys(query.created_from, query.created_to)
        page, following = query.cut([key for key in keys if owner_id in (None, self._owner_of(key.recording_id))])
        if len(page) > most_rows:
            return self._answer(request, kazoo_envelope.too_large())
        response = self._answer(request, self._page(page, following))
        request[LISTED] = tuple(key.recording_id for key in page)
        self.population.note_listing()
        return response

    def _page(self, page: list[Key], following: Key | None) -> Reply:
        rows = [self._row(self.population.was(key.recording_id)) for key in page]
        beginning = {"start_key": write_key(page[0])} if page else {}
        end = {"next_start_key": write_key(following)} if following else {}
        return Reply(data=rows, page={"page_size": len(rows), **beginning, **end})

    def _row(self, recording: Recording) -> dict[str, Any]:
        types = [] if recording.recording_id in self._waiting else [media_type(recording)]
        return {**self._document(recording), "_read_only": {"content_types": types}}

    def _document(self, recording: Recording) -> dict[str, Any]:
        straddler = self._months.straddlers.get(recording.recording_id)
        latest_start = straddler.latest_start if straddler else None
        return recording_document(recording, self._owner_of(recording.recording_id), latest_start)

    async def _show(self, request: web.Request) -> web.Response:
        recording = self._find(request)
        if isinstance(recording, Reply):
            return self._answer(request, recording)
        match negotiate(request):
            case Form.DOCUMENT:
                document = self._document(recording)
                data = [document] if Quirks.of(recording).is_in_list else document
                return self._answer(request, Reply(data=data))
            case Form.NOTHING:
                return web.Response()
            case Form.REFUSAL:
                return web.Response(status=406)
            case Form.MEDIA:
                return await self._media(request, recording)

    def _find(self, request: web.Request) -> Recording | Reply:
        """The recording that the path names, or why there is none."""
        recording_id = request.match_info["recording_id"]
        if not _RECORDING_ID.fullmatch(recording_id):
            return kazoo_envelope.malformed_id(recording_id)
        recording = self.population.find(recording_id)
        if recording is None or not self._months.is_retrievable(recording_id):
            return kazoo_envelope.missing_document(recording_id)
        return recording

    async def _delete(self, request: web.Request) -> web.Response:
        """A soft delete: the document comes back once more, marked, and is not found any longer."""
        recording = self._find(request)
        if isinstance(recording, Reply):
            return self._answer(request, recording)
        self.population.delete(recording.recording_id)
        self.ledger.note_deleted(recording.recording_id, datetime.now(UTC))
        return self._answer(request, Reply(data={**self._document(recording), "_read_only": {"deleted": True}}))

    async def _media(self, request: web.Request, recording: Recording) -> web.Response:
        if self._is_too_early(recording.recording_id):
            return self._answer(request, kazoo_envelope.missing_media(recording.recording_id))
        disposition = "inline" if request.query.get("inline") == "true" else "attachment"
        headers = {
            "Content-Type": media_type(recording),
            "Content-Disposition": f"{disposition}; filename={file_name(recording)}",
            "ETag": f'"{self._revision(recording.recording_id)}"',
        }
        sent = answer_media(request, recording, headers)
        return self._answer(request, kazoo_envelope.internal_error()) if sent is None else sent

    def _is_too_early(self, recording_id: str) -> bool:
        """Whether the audio is not there yet; asking brings it nearer."""
        if recording_id not in self._waiting:
            return False
        self._waiting[recording_id] -= 1
        if self._waiting[recording_id] <= 0:
            del self._waiting[recording_id]
        return True

    def _make_ready(self, recording_ids: Iterable[str]) -> None:
        for recording_id in recording_ids:
            self._waiting.pop(recording_id, None)

    async def _patch(self, request: web.Request) -> web.Response:
        return self._answer(request, kazoo_envelope.method_not_allowed())

    async def _nothing(self, request: web.Request) -> web.Response:
        return self._answer(request, kazoo_envelope.missing_document(request.path))

    def _answer(self, request: web.Request, reply: Reply, token: str | None = None) -> web.Response:
        """The reply in its envelope, which repeats the token that was used or has just been given."""
        given = token or _token_of(request)
        request_id = uuid4().hex
        facts = {
            "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "version": "5.1.0",
            "node": self._keyed("node")[:16],
            "request_id": request_id,
            "revision": self._revision("envelope"),
            "tokens": {"consumed": _cost(request), "remaining": self._bucket(request).remaining},
            **({"auth_token": given} if given else {}),
        }
        return web.json_response(
            {**reply.envelope(), **facts}, status=reply.status, headers={"X-Request-ID": request_id}
        )

    def _bucket(self, request: web.Request) -> TokenBucket:
        """The one of the client's address; there is one account only."""
        return self._buckets[request.remote or ""]

    def _standing(self, recording_id: str) -> Standing:
        return Standing(ready=recording_id not in self._waiting, retrievable=self._months.is_retrievable(recording_id))

    def _owner_of(self, recording_id: str) -> str | None:
        return (*self._user_ids, None)[int(recording_id[-4:], 16) % (len(self._user_ids) + 1)]

    def _draw_waiting(self) -> dict[str, int]:
        """Recordings whose audio is late, with how often it must be asked for."""
        usual = [name for name in self.population.ids() if name not in self._months.straddlers]
        settings = self._options.kazoo
        names = Random(self._keyed("waiting")).sample(usual, min(settings.late_media, len(usual)))
        return dict.fromkeys(names, settings.media_after) if settings.media_after else {}

    def _revision(self, name: str) -> str:
        return f"2-{self._keyed('revision' + name)}"

    def _token(self, name: str) -> str:
        """Shaped like a JWT: three parts of which the first two are JSON in base64."""
        claims = f'{{"iss":"kazoo","account_id":"{self._account_id}","name":"{name}"}}'
        head, body = (urlsafe_b64encode(text.encode()).decode().rstrip("=") for text in ('{"typ":"JWT"}', claims))
        return f"{head}.{body}.{self._keyed(name)}"

    def _keyed(self, text: str) -> str:
        """Thirty-two hexadecimal digits that only this account's seed gives."""
        return blake2b(text.encode(), key=self._key, digest_size=16).hexdigest()


def _describe(request: web.Request) -> Asked:
    endpoint = hosting.endpoint(request)
    if endpoint == "recording":
        endpoint = "retrieve" if negotiate(request) is Form.DOCUMENT else "media"
    if endpoint == "list":
        user_id = request.match_info["owner"].removeprefix("/users/")
        listing = f"user:{user_id}" if user_id else "account"
        return Asked(endpoint=endpoint, listing=listing, query=request.query_string)
    return Asked(endpoint=endpoint, recording_id=request.match_info.get("recording_id"))


def _cost(request: web.Request) -> int:
    return _LOGIN_COST if hosting.endpoint(request) == "login" else 1


def _token_of(request: web.Request) -> str:
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    return request.headers.get("X-Auth-Token", "") or (bearer if scheme.lower() == "bearer" else "")


def _are_reasons(value: object) -> bool:
    return is_list_of_texts(value) and isinstance(value, list) and set(value) <= set(UNAVAILABLE)
