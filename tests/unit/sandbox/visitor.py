"""A client of the sandbox that follows nothing and decides nothing by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from yarl import URL

from archiver.sandbox.server import Sandbox, SandboxOptions, serve

ANCHOR = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    """A response that was read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes
    document: Any


@dataclass(frozen=True)
class Visitor:
    """Somebody with the account's credentials, who may leave them at home."""

    sandbox: Sandbox
    session: aiohttp.ClientSession

    @property
    def account(self) -> dict[str, Any]:
        return self.sandbox.accounts["sandbox-vobiz"]

    @property
    def credentials(self) -> dict[str, str]:
        return {"X-Auth-ID": self.account["auth_id"], "X-Auth-Token": self.account["auth_token"]}

    @property
    def listing_url(self) -> str:
        return f"{self.account['base_url']}/Account/{self.account['auth_id']}/Recording/"

    @property
    def ledger(self) -> dict[str, Any]:
        ledger: dict[str, Any] = self.sandbox.ledger.as_json()["providers"]["vobiz"]
        return ledger

    async def get(self, url: str, headers: dict[str, str] | None = None) -> Answer:
        """Fetch with the credentials, or with exactly these headers; redirects are not followed."""
        sent = self.credentials if headers is None else headers
        async with self.session.get(URL(url, encoded=True), headers=sent, allow_redirects=False) as response:
            body = await response.read()
            document = await response.json() if response.content_type == "application/json" else None
            return Answer(response.status, dict(response.headers), body, document)

    async def page(self, query: str = "") -> Any:
        """One page of the listing."""
        return (await self.get(f"{self.listing_url}?{query}")).document

    async def rows(self, query: str = "limit=50") -> list[dict[str, Any]]:
        """Every row that the listing gives from the first page to the one without a next link."""
        rows: list[dict[str, Any]] = []
        offset = 0
        while True:
            page = await self.page(f"{query}&offset={offset}")
            rows += page["objects"]
            offset += len(page["objects"])
            if page["meta"]["next"] is None:
                return rows

    async def audio(self, row: dict[str, Any]) -> Answer:
        """The recording's audio, fetched as it should be: no credentials for the host of a redirect."""
        answer = await self.get(row["recording_url"])
        return await self.get(answer.headers["Location"], headers={}) if answer.status == 302 else answer

    async def control(self, document: Any) -> Answer:
        """Post a command."""
        async with self.session.post(self.sandbox.control_url, json=document) as response:
            body = await response.read()
            return Answer(response.status, dict(response.headers), body, await response.json())


@asynccontextmanager
async def visit(**options: Any) -> AsyncIterator[Visitor]:
    """Serve a small sandbox with these options, short audio and no late arrivals, and visit it."""
    defaults = {"recordings": 60, "anchor": ANCHOR, "audio_seconds": (0.2, 0.6), "late_arrivals": 0}
    async with serve(SandboxOptions(**{**defaults, **options})) as sandbox, aiohttp.ClientSession() as session:
        yield Visitor(sandbox, session)
