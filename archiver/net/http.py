"""The one HTTP layer of all adapters: pacing, redirects by hand, bounds, and errors by name.

Redirects are followed by hand, because the client library drops ``Authorization`` when a redirect leaves the origin
but hands every other credential header on; so each hop is judged and signed anew (S1). Two pools of connections exist,
one of which refuses every address that is not public (S2). Nothing here retries.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from types import TracebackType
from typing import Final, Self

import aiohttp
from yarl import URL

from archiver.model.account import Account
from archiver.model.errors import ArchiverError, ConfigError, ListingError, Permanent, Throttled, Unreachable
from archiver.model.secret import Secret
from archiver.net.answers import Refusal, classify, describe, read_http_date, read_json, read_retry_after
from archiver.net.guard import AddressRefused, Guard, Hop, join, open_public_socket
from archiver.net.pacing import Backoff
from archiver.net.redaction import redact_url, spellings
from archiver.ports.pacing import Pacer

Credentials = Callable[[], Awaitable[Mapping[str, str]]]
"""The headers that carry the account's credentials, asked for once per hop; an adapter may renew a token in it."""

Judge = Callable[[Refusal], ArchiverError | None]
"""What a refusal means to the adapter; None leaves it to the common rules."""

Trace = Callable[[str, int | None, float], None]
"""Told after each hop: the endpoint's word, the status (None: no answer) and the seconds until its headers came."""

_MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_ERROR_BYTES: Final = 64 * 2**10
_ERROR_BODY_SECONDS: Final = 10
_STRANGERS_SILENCE: Final = timedelta(minutes=1)
"""A host that is none of the account's may slow it down, but not silence it for hours: the wait it asks for is cut."""
USER_AGENT: Final = f"recording-archiver/{version('recording-archiver')}"
"""How we introduce ourselves, everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What no exchange may exceed.

    ``connect_timeout`` covers the name look-up, TCP and TLS; ``idle_timeout`` is the longest silence within an answer;
    ``answer_timeout`` bounds the headers of every answer, and the whole body of a JSON one. Media has no total bound
    in time, but at most ``max_media_bytes``; a JSON body has at most ``max_json_bytes``.
    """

    connect_timeout: timedelta = timedelta(seconds=10)
    idle_timeout: timedelta = timedelta(seconds=60)
    answer_timeout: timedelta = timedelta(minutes=2)
    max_media_bytes: int = 4 * 2**30
    max_json_bytes: int = 16 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of an adapter. ``endpoint`` is its word in messages and metrics.

    ``credentials`` are sent to the account's credential hosts only; None sends none. ``cost`` is its share of the
    pacer's budget. ``form`` or ``json`` is the body, never both.
    """

    endpoint: str
    url: str
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    json: object = None
    credentials: Credentials | None = None
    judge: Judge | None = None
    cost: float = 1.0


@dataclass(frozen=True, slots=True)
class _Sent:
    """An exchange under way: what messages call it, when it went out, and what it carried that none may repeat."""

    name: str
    hop: Hop
    sent_at: float
    secrets: tuple[str, ...]


class HttpClient:
    """The HTTP client of one account. Use it as an async context manager; leaving it closes every connection.

    Raises: ConfigError when the account's own addresses, its ``ca_file`` or its ``proxy`` are of no use.
    """

    def __init__(
        self, account: Account, pacer: Pacer, bounds: Bounds | None = None, trace: Trace | None = None
    ) -> None:
        self.account = account
        self.bounds = bounds or Bounds()
        self._pacer = pacer
        self._trace = trace
        self._guard = Guard(account)
        self._tls = _trusted_authorities(account)
        self._proxy = _proxy_of(account)
        self._proxy_login = _login_of(self._proxy)
        self._backoff = Backoff()
        self._skew: timedelta | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._any_host = await self._stack.enter_async_context(self._session())
        self._public_hosts = await self._stack.enter_async_context(self._session(socket_factory=open_public_socket))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def skew(self) -> timedelta | None:
        """The provider's clock minus ours, in whole seconds, by the ``Date`` of its last answer, refusals included.

        Only hosts that get the credentials count. None before their first answer, and when it names no time.
        """
        return self._skew

    async def fetch_json(self, request: Request) -> object:
        """The decoded JSON body of a successful answer; None when it is empty.

        Raises: ListingError when the body is no JSON, is too large, or comes from a host that is not one of the
        account's; and what ``exchange`` raises.
        """
        most = self.bounds.max_json_bytes
        async with self.exchange(request, keeps_home=True) as response:
            with self.translated(request, response):
                async with asyncio.timeout(self.bounds.answer_timeout.total_seconds()):
                    body = await _read(response, most + 1) if (response.content_length or 0) <= most else b""
        if max(len(body), response.content_length or 0) > most:
            raise self._listing_error(request, f"has more than {most} bytes")
        try:
            return read_json(body) if body.strip() else None
        except ValueError as error:
            raise self._listing_error(request, "is no JSON") from error

    @asynccontextmanager
    async def exchange(
        self, request: Request, *, keeps_home: bool = False, is_media: bool = False, passes: int | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A successful answer, or one with the status ``passes``, its body unread; redirects of a GET are followed.

        ``keeps_home``: a redirect may only lead to hosts that get the credentials. ``is_media``: the body is passed on
        as it comes, never decompressed.

        Raises: Permanent for an address that the account does not allow; Unreachable when no answer comes; else what
        the judge of the request or ``classify`` makes of the status. The pacer is frozen before Throttled is raised,
        and by a 503 that names a wait.
        """
        hop, redirects = self._first_hop(request), 0
        while True:
            is_paced = redirects == 0 or (hop.gets_credentials and request.credentials is not None)
            sent, response = await self._send(request, hop, is_paced=is_paced, is_media=is_media)
            try:
                location = response.headers.get("Location")
                if response.status in _REDIRECTS and request.method == "GET" and location:
                    redirects += 1
                    hop = self._next_hop(request, hop, location, redirects, keeps_home=keeps_home)
                    continue
                if not 200 <= response.status < 300 and response.status != passes:
                    raise await self._refusal(request, sent, response)
                self._backoff.reset(sent.sent_at)
                yield response
                return
            finally:
                response.close()

    @contextmanager
    def translated(self, request: Request, response: aiohttp.ClientResponse) -> Iterator[None]:
        """Turn what goes wrong while a body is read into Unreachable."""
        try:
            yield
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(_name(request, str(response.url)), error) from error

    def _first_hop(self, request: Request) -> Hop:
        hop = self._guard.judge(request.url)
        return replace(hop, url=hop.url.update_query(request.query)) if request.query else hop

    def _next_hop(self, request: Request, hop: Hop, location: str, redirects: int, *, keeps_home: bool) -> Hop:
        name = _name(request, str(hop.url))
        if redirects > _MAX_REDIRECTS:
            message = f"account {self.account.name}: {name}: more than {_MAX_REDIRECTS} redirects"
            raise Permanent(message, account=self.account.name)
        following = self._guard.judge(join(str(hop.url), location))
        if keeps_home and not following.gets_credentials:
            raise self._listing_error(request, f"is redirected to {following.url.host}, which is not the account's")
        return following

    async def _send(
        self, request: Request, hop: Hop, *, is_paced: bool, is_media: bool
    ) -> tuple[_Sent, aiohttp.ClientResponse]:
        signature = await request.credentials() if hop.gets_credentials and request.credentials else {}
        if is_paced:
            await self._pacer.turn(request.cost)
        sent = _Sent(
            _name(request, str(hop.url)),
            hop,
            time.monotonic(),
            spellings(signature, request.form, request.json, self._proxy_login),
        )
        status: int | None = None
        try:
            async with asyncio.timeout(self.bounds.answer_timeout.total_seconds()):
                response = await self._pool(hop).request(
                    request.method,
                    hop.url,
                    headers={**request.headers, **signature},
                    data=request.form,
                    json=request.json,
                    allow_redirects=False,
                    proxy=self._proxy.reveal() if self._proxy else None,
                    auto_decompress=not is_media,
                )
            status = response.status
        except aiohttp.ClientHttpProxyError as error:
            # Its text holds the proxy's address with the password, so it is not chained
            raise self._unreachable(sent.name, error) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, AddressRefused):
                raise self._guard.refuse_private(hop) from error
            raise self._unreachable(sent.name, error) from error
        finally:
            if self._trace:
                self._trace(request.endpoint, status, time.monotonic() - sent.sent_at)
        if hop.gets_credentials:
            self._skew = _skew_of(response.headers, datetime.now(UTC))
        return sent, response

    async def _refusal(self, request: Request, sent: _Sent, response: aiohttp.ClientResponse) -> ArchiverError:
        retry_after = read_retry_after(response.headers, datetime.now(UTC))
        if retry_after and not sent.hop.gets_credentials:
            retry_after = min(retry_after, _STRANGERS_SILENCE)
        # Before the body is read: nothing may go out in the meantime
        if response.status == 429:
            self._pacer.freeze(retry_after or self._pause(sent))
        elif response.status == 503 and retry_after and sent.hop.gets_credentials:
            self._pacer.freeze(retry_after)
        body = await _error_body(response)
        try:
            document = read_json(body)
        except ValueError:
            document = None
        refusal = Refusal(
            account=self.account.name,
            endpoint=request.endpoint,
            exchange=sent.name,
            status=response.status,
            is_foreign=not sent.hop.gets_credentials,
            headers=response.headers,
            document=document,
            text=describe(body, document, sent.secrets),
            retry_after=retry_after,
        )
        error = (request.judge(refusal) if request.judge else None) or classify(refusal)
        if isinstance(error, Throttled):
            error.retry_after = error.retry_after or self._pause(sent)
            self._pacer.freeze(error.retry_after)
        if any(secret in (error.request_id or "") for secret in sent.secrets):
            error.request_id = None
        return error

    def _pause(self, sent: _Sent) -> timedelta:
        return self._backoff.next_pause(sent.sent_at, time.monotonic())

    def _unreachable(self, name: str, error: Exception) -> Unreachable:
        return Unreachable(f"account {self.account.name}: {name}: {_cause(error)}", account=self.account.name)

    def _listing_error(self, request: Request, reason: str) -> ListingError:
        name = _name(request, request.url)
        return ListingError(f"account {self.account.name}: the answer to {name} {reason}", account=self.account.name)

    def _pool(self, hop: Hop) -> aiohttp.ClientSession:
        # Through a proxy the only address that is connected to is the proxy's, which the operator named
        return self._any_host if hop.is_trusted or self._proxy else self._public_hosts

    def _session(self, socket_factory: aiohttp.SocketFactoryType | None = None) -> aiohttp.ClientSession:
        connect, idle = self.bounds.connect_timeout.total_seconds(), self.bounds.idle_timeout.total_seconds()
        return aiohttp.ClientSession(
            # Workers and the pacer bound what is under way; a second bound here would only make turns grow stale
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls, socket_factory=socket_factory),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_send_once,),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=connect, sock_read=idle),
            trust_env=False,
        )


def _trusted_authorities(account: Account) -> ssl.SSLContext | bool:
    """What ``ca_file`` adds to the system's authorities; True for those alone."""
    if account.ca_file is None:
        return True
    context = ssl.create_default_context()
    try:
        # Added, not put in their place: media may lie at hosts with ordinary certificates
        context.load_verify_locations(account.ca_file)
    except OSError as error:
        message = f"account {account.name}: ca_file {account.ca_file} cannot be used: {error.strerror or error}"
        raise ConfigError(message, key="ca_file", account=account.name) from error
    return context


def _proxy_of(account: Account) -> Secret | None:
    """The account's proxy, whose address may hold a password."""
    try:
        is_usable = account.proxy is None or URL(account.proxy.reveal()).scheme in ("http", "https")
    except ValueError:
        is_usable = False
    if not is_usable:
        message = f"account {account.name}: proxy is no http:// or https:// address"
        raise ConfigError(message, key="proxy", account=account.name)
    return account.proxy


def _login_of(proxy: Secret | None) -> tuple[str, ...]:
    """The proxy's password, and what is sent of it, as an answer might repeat them."""
    url = URL(proxy.reveal()) if proxy else URL()
    if not url.password:
        return ()
    return url.password, base64.b64encode(f"{url.user or ''}:{url.password}".encode()).decode()


def _name(request: Request, url: str) -> str:
    return f"{request.method} {request.endpoint} {redact_url(url)}"


def _skew_of(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How far the sender's clock is ahead of ``now``; None when it names no time."""
    sent_at = read_http_date(headers.get("Date", ""))
    return None if sent_at is None else sent_at - now.replace(microsecond=0)


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Left alone the client library sends a request whose connection broke once more, without a turn of the pacer."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error)) from error


def _cause(error: Exception) -> str:
    """Why no answer came, in words that hold nothing of the request."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", None) or "unknown reason"
            words = f"the TLS certificate cannot be verified ({reason}); if it is your own authority's, set ca_file"
        case aiohttp.ClientConnectorSSLError():
            words = "TLS could not be agreed on"
        case aiohttp.ClientConnectorDNSError():
            words = "the host's name has no address"
        case aiohttp.ClientConnectorError():
            words = f"no connection: {error.os_error.strerror or type(error.os_error).__name__}"
        case aiohttp.ClientHttpProxyError():
            words = f"the proxy answered {error.status}"
        case TimeoutError():
            words = "no connection or no byte within the time allowed"
        case aiohttp.ClientPayloadError():
            words = "the body was cut short"
        case _:
            words = f"the connection broke ({type(error.__cause__ or error).__name__})"
    return words


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, or its first ``limit`` bytes."""
    body = bytearray()
    while len(body) < limit and (chunk := await response.content.readany()):
        body += chunk
    del body[limit:]
    return bytes(body)


async def _error_body(response: aiohttp.ClientResponse) -> bytes:
    """The beginning of an error's body. The status has said what matters, so whatever goes wrong here is let go."""
    try:
        async with asyncio.timeout(_ERROR_BODY_SECONDS):
            return await _read(response, _MAX_ERROR_BYTES)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return b""
