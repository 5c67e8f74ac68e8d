"""Clients of the VBC and Kazoo sandboxes that follow nothing and decide nothing by themselves."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from archiver.sandbox.server import Sandbox, SandboxOptions, serve
from tests.unit.sandbox.visitor import ANCHOR, Answer

PLAIN = {"Accept-Encoding": "identity"}


@dataclass(frozen=True)
class Guest:
    """Somebody who was given one account's settings. ``token`` is empty before the login."""

    name: str
    sandbox: Sandbox
    session: aiohttp.ClientSession
    token: str = ""

    @property
    def account(self) -> dict[str, Any]:
        return self.sandbox.accounts[f"sandbox-{self.name.replace('_', '-')}"]

    @property
    def base_url(self) -> str:
        return str(self.account["base_url"])

    @property
    def ledger(self) -> dict[str, Any]:
        ledger: dict[str, Any] = self.sandbox.ledger.as_json()["providers"][self.name]
        return ledger

    async def ask(self, method: str, url: str, headers: Mapping[str, str], **sent: Any) -> Answer:
        """One request with exactly these headers; redirects are not followed."""
        target = URL(url, encoded=True)
        async with self.session.request(method, target, headers=headers, allow_redirects=False, **sent) as response:
            body = await response.read()
            document = await response.json() if response.content_type == "application/json" else None
            return Answer(response.status, dict(response.headers), body, document)

    async def control(self, document: Any) -> Answer:
        """Post a command."""
        return await self.ask("POST", self.sandbox.control_url, {}, json=document)


class VbcGuest(Guest):
    """A guest of VBC."""

    @property
    def bearer(self) -> dict[str, str]:
        return {**PLAIN, "Authorization": f"Bearer {self.token}"}

    @property
    def account_id(self) -> str:
        return str(self.ledger["account"])

    def form(self, **changes: str) -> dict[str, str]:
        """The password grant as it should be."""
        names = ("client_id", "client_secret", "password")
        known = {name: self.account[name] for name in names}
        usual = {"grant_type": "password", "scope": "openid", "username": f"{self.account['username']}@vbc.prod"}
        return {**known, **usual, **changes}

    async def login(self, form: Mapping[str, str]) -> Answer:
        """Ask the token endpoint."""
        return await self.ask("POST", f"{URL(self.base_url).origin()}/token", {}, data=form)

    async def get(self, path: str) -> Answer:
        """A path of the API, or a whole address, with the token."""
        url = path if path.startswith("http") else f"{self.base_url}/api/{path}"
        return await self.ask("GET", url, self.bearer)

    async def rows(self, listing: str = "company_call_recordings", query: str = "page_size=50") -> list[Any]:
        """Every row of a listing, by page numbers from the one that the first page calls itself."""
        rows: list[Any] = []
        page, last = "", False
        while not last:
            document = (await self.get(f"accounts/self/{listing}?{query}{page}")).document
            rows += document.get("_embedded", {"recordings": []})["recordings"]
            page, last = f"&page={document['page'] + 1}", "next" not in document["_links"]
        return rows

    async def audio(self, row: Mapping[str, Any]) -> Answer:
        """The audio, without the token for the host of a redirect."""
        answer = await self.get(row["download_url"])
        return await self.ask("GET", answer.headers["Location"], PLAIN) if answer.status == 302 else answer


class KazooGuest(Guest):
    """A guest of Kazoo."""

    @property
    def credentials(self) -> dict[str, str]:
        return {**PLAIN, "X-Auth-Token": self.token}

    async def login(self, data: Any, way: str = "api_auth") -> Answer:
        """Put credentials."""
        return await self.ask("PUT", f"{self.base_url}/{way}", {}, json={"data": data})

    async def get(self, path: str, **headers: str) -> Answer:
        """A path under the account, with the token."""
        url = f"{self.base_url}/accounts/{self.account['account_id']}/{path}"
        return await self.ask("GET", url, {**self.credentials, **headers})

    async def media(self, recording_id: str, **headers: str) -> Answer:
        """The audio, asked for as it should be."""
        return await self.get(f"recordings/{recording_id}", **{"Accept": "audio/mpeg", **headers})

    async def rows(self, first: int, last: int, query: str = "page_size=50", path: str = "recordings") -> list[Any]:
        """Every row of a window, page by page."""
        rows: list[Any] = []
        following: str | None = ""
        while following is not None:
            start = f"&start_key={following}" if following else ""
            page = (await self.get(f"{path}?created_from={first}&created_to={last}&{query}{start}")).document
            rows += page["data"]
            following = page.get("next_start_key")
        return rows


@asynccontextmanager
async def serving(name: str, options: dict[str, Any]) -> AsyncIterator[tuple[Sandbox, aiohttp.ClientSession]]:
    """A small sandbox of one provider with short audio and, unless asked for, nothing arriving late."""
    usual = {"recordings": 60, "anchor": ANCHOR, "audio_seconds": (0.2, 0.6), "late_arrivals": 0}
    chosen = SandboxOptions(**{**usual, "providers": (name,), **options})
    async with serve(chosen) as sandbox, aiohttp.ClientSession() as session:
        yield sandbox, session


@asynccontextmanager
async def visit_vbc(**options: Any) -> AsyncIterator[VbcGuest]:
    """A guest of VBC who has logged in."""
    async with serving("vonage_vbc", options) as (sandbox, session):
        guest = VbcGuest("vonage_vbc", sandbox, session)
        token = (await guest.login(guest.form())).document["access_token"]
        yield VbcGuest("vonage_vbc", sandbox, session, token)


@asynccontextmanager
async def visit_kazoo(**options: Any) -> AsyncIterator[KazooGuest]:
    """A guest of Kazoo who has logged in."""
    async with serving("kazoo", options) as (sandbox, session):
        guest = KazooGuest("kazoo", sandbox, session)
        token = (await guest.login({"api_key": guest.account["api_key"]})).document["auth_token"]
        yield KazooGuest("kazoo", sandbox, session, token)
