"""Calls to addresses of the operator's own: webhooks and heartbeats. They may hold secrets, so nothing names them."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import aiohttp
from yarl import URL

from archiver.model.errors import Permanent, Transient
from archiver.model.secret import Secret
from archiver.net.answers import read_retry_after
from archiver.net.http import USER_AGENT

_WITHIN: Final = timedelta(seconds=20)
_TEMPORARY: Final = frozenset({408, 425, 429})
SIGNATURE: Final = "X-Archiver-Signature"
TIMESTAMP: Final = "X-Archiver-Timestamp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """An address, and the key that calls are signed with; None: they are not."""

    url: Secret
    key: Secret | None = None

    @property
    def host(self) -> str:
        """All of the address that may be shown."""
        return URL(self.url.reveal()).host or "?"


class HookClient:
    """Calls hooks; open it with ``hook_client``."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def call(self, hook: Hook, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """POST a body of JSON, or GET where there is none. Redirects are refused: a body goes to nobody else.

        A signed call has the time in ``X-Archiver-Timestamp``, and in ``X-Archiver-Signature`` the text ``sha256=``
        and the HMAC of the time, a dot, and the body.

        Raises: Transient when it may be tried again; Permanent when the receiver refuses it.
        """
        signed = _signed(hook.key, body) if body else {}
        kind = {"Content-Type": "application/json"} if body else {}
        method = "POST" if body else "GET"
        try:
            async with (
                asyncio.timeout(_WITHIN.total_seconds()),
                self._session.request(
                    method,
                    URL(hook.url.reveal(), encoded=True),
                    data=body or None,
                    headers={**kind, **signed, **(headers or {})},
                    allow_redirects=False,
                ) as answer,
            ):
                _judge(hook, answer)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # The last is of a host that cannot be one. What the library says holds the address, so it is not chained
            raise Transient(f"{hook.host} cannot be reached: {type(error).__name__}") from None


def _judge(hook: Hook, answer: aiohttp.ClientResponse) -> None:
    if 200 <= answer.status < 300:
        return
    message = f"{hook.host} answered {answer.status}"
    if answer.status >= 500 or answer.status in _TEMPORARY:
        raise Transient(message, retry_after=read_retry_after(answer.headers, datetime.now(UTC)))
    raise Permanent(message, fix="check the address under [notify]")


def _signed(key: Secret | None, body: bytes) -> Mapping[str, str]:
    if key is None:
        return {}
    now = str(int(time.time()))
    digest = hmac.new(key.reveal().encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return {TIMESTAMP: now, SIGNATURE: f"sha256={digest}"}


@asynccontextmanager
async def hook_client() -> AsyncIterator[HookClient]:
    """A client for as long as it is open."""
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), headers={"User-Agent": USER_AGENT}, trust_env=False
    ) as session:
        yield HookClient(session)
