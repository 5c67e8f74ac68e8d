"""The HTTP layer before peers that do what providers do on their worst days."""

import asyncio
import gzip
import socket
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from archiver.model.errors import ConfigError, Denied, Gone, ListingError, Permanent, Throttled, Transient, Unreachable
from archiver.model.secret import Secret
from archiver.net.answers import Refusal
from archiver.net.http import Bounds, HttpClient, Request
from tests.accounts import make_account
from tests.fakes.web import Handler, Peer, answering, serve, serve_raw

TOKEN = "tok-0123456789"
TLS = Path(__file__).parents[2] / "samples" / "tls"


class NotedPacer:
    """Gives every turn at once, and notes what it was asked for."""

    def __init__(self) -> None:
        self.costs: list[float] = []
        self.silences: list[float] = []

    async def turn(self, cost: float = 1.0) -> None:
        """Note the cost."""
        self.costs.append(cost)

    def freeze(self, duration: timedelta) -> None:
        """Note the seconds, of equal ones in a row the first."""
        if self.silences[-1:] != [duration.total_seconds()]:
            self.silences.append(duration.total_seconds())


async def credentials() -> Mapping[str, str]:
    """What the account sends."""
    return {"X-Auth-Token": TOKEN, "Authorization": f"Bearer {TOKEN}"}


@asynccontextmanager
async def client(base_url: str, pacer: NotedPacer | None = None, **changes: Any) -> AsyncIterator[HttpClient]:
    """A client of an account at this address; ``bounds`` and ``trace`` are the client's, the rest the account's."""
    bounds, trace = changes.pop("bounds", None), changes.pop("trace", None)
    async with HttpClient(make_account(base_url=base_url, **changes), pacer or NotedPacer(), bounds, trace) as http:
        yield http


def get(url: str, **changes: Any) -> Request:
    """A signed request."""
    return Request(**{"endpoint": "list", "url": url, "credentials": credentials, **changes})


def redirecting(location: str, status: int = 302) -> Handler:
    """A peer that always sends elsewhere."""
    return answering(status, "", {"Location": location})


def is_signed(peer: Peer) -> list[bool]:
    """For each request of a peer: whether it carried any of the credentials."""
    return [TOKEN in str(headers) for _, _, headers in peer.asked]


async def drain(http: HttpClient, request: Request) -> bytes:
    """The body of an exchange that may leave home."""
    async with http.exchange(request) as response:
        return await response.read()


async def test_a_request_says_who_we_are() -> None:
    """Every request names the archiver and its version, and asks for bytes as they are."""
    async with serve(answering(200, {"a": 1})) as peer, client(peer.origin) as http:
        assert await http.fetch_json(get(f"{peer.origin}/x", query={"start:gte": "2026-01-01T00:00:00+0000"})) == {
            "a": 1
        }
    _, path, headers = peer.asked[0]
    assert path == "/x?start:gte=2026-01-01T00:00:00%2B0000"
    assert headers["User-Agent"].startswith("recording-archiver/")
    assert headers["Accept-Encoding"] == "identity"


async def test_credentials_stay_at_home() -> None:
    """S1: a redirect to another origin is followed without any credential header, and back home with them."""
    async with (
        serve(answering(200, "audio")) as home,
        serve(redirecting(f"{home.origin}/back")) as stranger,
        serve(redirecting(f"{stranger.origin}/away")) as entrance,
    ):
        hosts = (f"127.0.0.1:{entrance.port}", f"127.0.0.1:{home.port}")
        async with client(entrance.origin, credential_hosts=hosts) as http:
            assert await drain(http, get(f"{entrance.origin}/x")) == b"audio"
    assert (is_signed(entrance), is_signed(stranger), is_signed(home)) == ([True], [False], [True])


async def test_hops_with_credentials_take_turns() -> None:
    """P1: each request that carries the credentials passes the pacer; a hop to a stranger is nobody's budget."""
    pacer = NotedPacer()
    async with serve(answering(200, "audio")) as stranger, serve(redirecting(stranger.origin)) as home:
        async with client(home.origin, pacer) as http:
            await drain(http, get(f"{home.origin}/x", cost=3.0))
        async with client(home.origin, pacer, credential_hosts=("127.0.0.1",)) as http:
            await drain(http, get(f"{home.origin}/x"))
    assert pacer.costs == [3.0, 1.0, 1.0]


async def test_a_listing_is_only_believed_at_home() -> None:
    """S1: JSON that a redirect would fetch from a stranger is a ListingError."""
    async with (
        serve(answering(200, {"objects": []})) as stranger,
        serve(redirecting(stranger.origin)) as home,
        client(home.origin) as http,
    ):
        with pytest.raises(ListingError, match="redirected"):
            await http.fetch_json(get(f"{home.origin}/x"))
    assert stranger.asked == []


async def test_redirects_end() -> None:
    """A redirect that leads to itself ends after five hops."""
    async with serve(redirecting("/again")) as peer, client(peer.origin) as http:
        with pytest.raises(Permanent, match="redirects"):
            await drain(http, get(peer.origin))
    assert len(peer.asked) == 6


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_only_reading_is_redirected(method: str) -> None:
    """A request that changes something is sent once, where it was meant to go."""
    async with serve(redirecting("/else", 307)) as peer, client(peer.origin) as http:
        with pytest.raises(Permanent):
            await drain(http, get(peer.origin, method=method, json={"a": 1}))
    assert len(peer.asked) == 1


@pytest.mark.parametrize(
    "location", ["ftp://127.0.0.1/x", "http://user:pass@127.0.0.1/x", "file:///etc/passwd", "http://["]
)
async def test_redirects_to_nowhere_are_refused(location: str) -> None:
    """S2: a redirect to what is no plain web address is not followed."""
    async with serve(redirecting(location)) as peer, client(peer.origin) as http:
        with pytest.raises(Permanent):
            await drain(http, get(peer.origin))


async def test_a_name_is_no_proof_of_a_public_address() -> None:
    """S2: a redirect to a name that leads to loopback is refused when it connects, and the message says what to do."""
    async with (
        serve(answering(200, "secret")) as inner,
        serve(redirecting(f"http://localhost:{inner.port}/")) as home,
        client(home.origin, allow_private_hosts=False) as http,
    ):
        with pytest.raises(Permanent, match="host localhost has no public address") as caught:
            await drain(http, get(f"{home.origin}/x"))
    assert caught.value.fix is not None
    assert "media_hosts" in caught.value.fix
    assert inner.asked == []


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "10.1.2.3", "100.64.0.1", "169.254.169.254", "fe80::1"],
)
async def test_what_a_name_turns_into_is_judged(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S2: a name whose resolver was won over leads nowhere private: judged is the address that is connected to."""
    looked_up: list[str] = []

    async def resolve(host: str, port: int, **_hints: Any) -> list[Any]:
        looked_up.append(host)
        family, rest = (socket.AF_INET6, (0, 0)) if ":" in address else (socket.AF_INET, ())
        return [(family, socket.SOCK_STREAM, 6, "", (address, port, *rest))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    async with (
        serve(answering(200, "secret")) as inner,
        serve(redirecting(f"http://media.example:{inner.port}/")) as home,
        client(home.origin, allow_private_hosts=False) as http,
    ):
        with pytest.raises(Permanent, match=r"host media\.example has no public address"):
            await drain(http, get(f"{home.origin}/x"))
    assert (inner.asked, looked_up) == ([], ["media.example"])


async def test_a_named_host_may_be_private() -> None:
    """S2: the operator's own hosts are reached wherever they lie."""
    async with (
        serve(answering(200, "audio")) as inner,
        serve(redirecting(f"http://localhost:{inner.port}/")) as home,
        client(home.origin, allow_private_hosts=False, media_hosts=("localhost",)) as http,
    ):
        assert await drain(http, get(f"{home.origin}/x")) == b"audio"
    assert is_signed(inner) == [False]


async def test_a_wait_silences_the_account() -> None:
    """P1: a 429 freezes the pacer for the wait that it names before it is raised."""
    pacer = NotedPacer()
    async with serve(answering(429, "", {"Retry-After": "7"})) as peer, client(peer.origin, pacer) as http:
        with pytest.raises(Throttled) as caught:
            await drain(http, get(peer.origin))
    assert caught.value.retry_after == timedelta(seconds=7)
    assert pacer.silences == [7]


@pytest.mark.parametrize(("headers", "silences"), [({"Retry-After": "7"}, [7]), ({}, [])])
async def test_an_outage_with_a_length_is_silence_too(headers: Mapping[str, str], silences: list[float]) -> None:
    """P1: a 503 that names a wait silences the account for it; one that names none is a failure like any other."""
    pacer = NotedPacer()
    async with serve(answering(503, "", headers)) as peer, client(peer.origin, pacer) as http:
        with pytest.raises(Transient):
            await drain(http, get(peer.origin))
    assert pacer.silences == silences


@pytest.mark.parametrize(("status", "silences"), [(429, [60]), (503, [])])
async def test_a_stranger_silences_nobody_for_long(status: int, silences: list[float]) -> None:
    """P1: a wait that a foreign host asks for is cut to a minute, and its outage is not the account's."""
    pacer = NotedPacer()
    async with (
        serve(answering(status, "", {"Retry-After": "86400"})) as stranger,
        serve(redirecting(stranger.origin)) as home,
        client(home.origin, pacer) as http,
    ):
        with pytest.raises(Transient) as caught:
            await drain(http, get(f"{home.origin}/x"))
    assert caught.value.retry_after == timedelta(minutes=1)
    assert pacer.silences == silences


async def test_the_silence_does_not_wait_for_a_body() -> None:
    """P1: a 429 whose body hangs silences the account as soon as its status is there."""
    pacer = NotedPacer()
    answer = b"HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 10\r\n\r\n"
    bounds = Bounds(idle_timeout=timedelta(milliseconds=50))
    async with serve_raw(answer, stays_open=True) as peer, client(peer.origin, pacer, bounds=bounds) as http:
        with pytest.raises(Throttled):
            await drain(http, get(peer.origin))
    assert pacer.silences == [7]


async def test_a_wait_without_a_length_grows() -> None:
    """P1: without a named wait the silences double, and begin anew after an answer."""
    pacer, statuses = NotedPacer(), iter([429, 429, 429, 200, 429])

    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=next(statuses))

    async with serve(handler) as peer, client(peer.origin, pacer) as http:
        for pause in (1, 2, 4, None, 1):
            if pause is None:
                await drain(http, get(peer.origin))
                continue
            with pytest.raises(Throttled) as caught:
                await drain(http, get(peer.origin))
            assert caught.value.retry_after == timedelta(seconds=pause)
    assert pacer.silences == [1, 2, 4, 1]


async def test_strangers_may_silence_us_but_not_deny() -> None:
    """P1: a 429 from a foreign host freezes too; its 403 only refuses the link."""
    for status, error in ((429, Throttled), (403, Transient)):
        pacer = NotedPacer()
        async with (
            serve(answering(status)) as stranger,
            serve(redirecting(stranger.origin)) as home,
            client(home.origin, pacer) as http,
        ):
            with pytest.raises(error):
                await drain(http, get(f"{home.origin}/x"))
        assert pacer.silences == ([1] if status == 429 else [])


async def test_an_adapter_judges_first() -> None:
    """What an adapter makes of a refusal stands before the common rules; a Throttled of its own freezes as well."""

    def judge(refusal: Refusal) -> Throttled | None:
        return Throttled(refusal.message) if refusal.status == 403 else None

    pacer = NotedPacer()
    async with serve(answering(403)) as peer, client(peer.origin, pacer) as http:
        with pytest.raises(Throttled):
            await drain(http, get(peer.origin, judge=judge))
    assert pacer.silences == [1]


async def test_errors_tell_what_and_whose() -> None:
    """S5: a message names method, endpoint, path, status, text, account and request; no query, nothing that we sent."""
    body = {"api_id": "a-77", "error": f"no recording for {TOKEN}"}
    async with serve(answering(404, body)) as peer, client(peer.origin) as http:
        with pytest.raises(Gone) as caught:
            await drain(http, get(f"{peer.origin}/x/r1.mp3?Signature=abc"))
    text = f"account acme: GET list {peer.origin}/x/r1.mp3 answered 404: no recording for [redacted] (request a-77)"
    assert str(caught.value) == text


@pytest.mark.parametrize("echo", ["hunter2/hunter 2", "hunter2%2Fhunter%202", "hunter2%2Fhunter+2"])
async def test_what_a_login_sends_is_not_repeated(echo: str) -> None:
    """S5: a peer that repeats the secret of a login in its error, as it is or encoded, gets it into no message."""
    async with serve(answering(401, {"message": f"bad key {echo}"})) as peer, client(peer.origin) as http:
        with pytest.raises(Denied) as caught:
            await drain(http, get(peer.origin, method="POST", form={"password": "hunter2/hunter 2"}))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "handler", [answering(404, "", {"X-Request-Id": f"r-{TOKEN}"}), answering(404, {"api_id": f"r-{TOKEN}"})]
)
async def test_a_request_s_id_may_not_be_a_secret(handler: Handler) -> None:
    """S5: a peer that makes the token an id of the request, in its headers or its body, gets it into no message."""
    async with serve(handler) as peer, client(peer.origin) as http:
        with pytest.raises(Gone) as caught:
            await drain(http, get(peer.origin))
    assert caught.value.request_id is None
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    ["<html>", "{", "", " ", "nul", b"\xff\xfe\x00", "[" * 5000],
    ids=["html", "cut", "empty", "blank", "word", "bytes", "deep"],
)
async def test_what_is_no_json_is_no_listing(body: str | bytes) -> None:
    """D2: an answer that is no JSON is a ListingError; an empty one is no document."""
    async with serve(answering(200, body)) as peer, client(peer.origin) as http:
        if not body.strip():
            assert await http.fetch_json(get(peer.origin)) is None
            return
        with pytest.raises(ListingError, match="acme"):
            await http.fetch_json(get(peer.origin))


async def endless(request: web.Request) -> web.StreamResponse:
    """A list without an end, as fast as it is read."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"[")
    while True:
        await response.write(b"[]," * 10_000)


@pytest.mark.parametrize("handler", [answering(200, ["x" * 10**6]), endless], ids=["declared", "endless"])
async def test_json_is_bounded(handler: Handler) -> None:
    """P3: a listing of more bytes than allowed is refused, whether it says so or not, and not read on."""
    bounds = Bounds(max_json_bytes=100_000)
    async with serve(handler) as peer, client(peer.origin, bounds=bounds) as http:
        with pytest.raises(ListingError, match="more than 100000 bytes"):
            await http.fetch_json(get(peer.origin))


async def test_a_bomb_does_not_go_off() -> None:
    """P3: a listing that came compressed unasked is unpacked piece by piece, and no further than is allowed."""
    bomb = gzip.compress(bytes(30 * 2**20))
    bounds = Bounds(max_json_bytes=2**20)
    answer = answering(200, bomb, {"Content-Encoding": "gzip"})
    async with serve(answer) as peer, client(peer.origin, bounds=bounds) as http:
        tracemalloc.start()
        with pytest.raises(ListingError, match="more than 1048576 bytes"):
            await http.fetch_json(get(peer.origin))
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak_bytes < 8 * 2**20


async def test_a_listing_may_come_compressed() -> None:
    """What a gateway compressed without being asked is read all the same."""
    packed = gzip.compress(b'{"a": 1}')
    async with serve(answering(200, packed, {"Content-Encoding": "gzip"})) as peer, client(peer.origin) as http:
        assert await http.fetch_json(get(peer.origin)) == {"a": 1}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{",
    ],
    ids=["nothing", "garbage", "short", "cut chunk", "no length"],
)
async def test_broken_answers_are_unreachable(answer: bytes) -> None:
    """B1: an answer that breaks its own framing is none."""
    async with serve_raw(answer) as peer, client(peer.origin) as http:
        with pytest.raises(Unreachable) as caught:
            await http.fetch_json(get(peer.origin))
    assert caught.value.account == "acme"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"], ids=["headers", "body"])
async def test_silence_is_unreachable(answer: bytes) -> None:
    """P4: a peer that falls silent is given up after the idle timeout, before its headers and within its body."""
    bounds = Bounds(idle_timeout=timedelta(milliseconds=50))
    async with serve_raw(answer, stays_open=True) as peer, client(peer.origin, bounds=bounds) as http:
        with pytest.raises(Unreachable, match="within the time allowed"):
            await http.fetch_json(get(peer.origin))


@pytest.mark.parametrize("end", [b"", b"garbage\r\n\r\n"], ids=["closes", "garbage"])
async def test_what_broke_is_not_sent_again(end: bytes) -> None:
    """P1: a request that got no answer went out once, for its one turn, also on a connection that was used before."""
    heads: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" if len(heads) == 1 else end)
        if len(heads) == 1:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(end)
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with client(origin) as http:
            assert await http.fetch_json(get(origin)) == {}
            with pytest.raises(Unreachable):
                await http.fetch_json(get(origin))
    assert len(heads) == 2


async def test_dripping_is_unreachable() -> None:
    """P4: a JSON answer that never falls silent and never ends is given up after the answer timeout."""

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 100_000)

    bounds = Bounds(answer_timeout=timedelta(milliseconds=100), max_json_bytes=10**12)
    async with serve(drip) as peer, client(peer.origin, bounds=bounds) as http:
        with pytest.raises(Unreachable):
            await http.fetch_json(get(peer.origin))


async def test_nobody_there_is_unreachable() -> None:
    """A refused connection and a name without an address are Unreachable, and say which."""
    async with serve(answering()) as peer:
        pass
    async with client(peer.origin) as http:
        with pytest.raises(Unreachable, match="no connection"):
            await drain(http, get(peer.origin))
        with pytest.raises(Unreachable, match="no address"):
            await drain(http, get("http://nowhere.invalid/"))


async def test_certificates_are_verified() -> None:
    """An unknown authority is Unreachable and names ca_file, which makes it known beside the system's."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "loopback.crt", TLS / "loopback.key")
    async with serve(answering(200, {"a": 1}), context) as peer:
        async with client(peer.origin, allow_http=False) as http:
            with pytest.raises(Unreachable, match="ca_file"):
                await http.fetch_json(get(peer.origin))
        async with client(peer.origin, allow_http=False, ca_file=TLS / "loopback.crt") as http:
            assert await http.fetch_json(get(peer.origin)) == {"a": 1}


async def test_https_is_not_left() -> None:
    """S1: a redirect from https to http is refused unless the account allows http."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "loopback.crt", TLS / "loopback.key")
    async with (
        serve(answering(200, "audio")) as plain,
        serve(redirecting(f"{plain.origin}/x"), context) as peer,
        client(peer.origin, allow_http=False, ca_file=TLS / "loopback.crt") as http,
    ):
        with pytest.raises(Permanent, match="without https"):
            await drain(http, get(peer.origin))
    assert plain.asked == []


@pytest.mark.parametrize("name", ["missing.crt", "README.md"])
async def test_a_useless_ca_file_is_a_configuration_error(name: str) -> None:
    """T6: a ca_file that is missing or holds no certificate is found before any request."""
    with pytest.raises(ConfigError) as caught:
        HttpClient(make_account(ca_file=TLS / name), NotedPacer())
    assert caught.value.key == "ca_file"


@pytest.mark.parametrize("address", [f"socks5://us:{TOKEN}@127.0.0.1", f"http://us:{TOKEN}@[::1", f"us:{TOKEN}@proxy"])
async def test_a_useless_proxy_is_a_configuration_error(address: str) -> None:
    """T6, S5: a proxy of an unknown kind is found before any request, and its password is not shown."""
    with pytest.raises(ConfigError) as caught:
        HttpClient(make_account(proxy=Secret(address)), NotedPacer())
    assert caught.value.key == "proxy"
    assert TOKEN not in str(caught.value)


async def test_a_proxy_is_used() -> None:
    """The account's proxy gets every request, and a password that it refuses is in no message."""
    async with serve(answering(407)) as proxy:
        address = Secret(f"http://us:{TOKEN}@127.0.0.1:{proxy.port}")
        async with client("http://api.example", proxy=address) as http:
            with pytest.raises(Unreachable, match="proxy") as caught:
                await drain(http, get("http://api.example/x", credentials=None))
    assert [headers["Host"] for _, _, headers in proxy.asked] == ["api.example"]
    assert "Proxy-Authorization" in proxy.asked[0][2]
    assert TOKEN not in str(caught.value)


async def test_a_proxy_s_password_is_not_repeated() -> None:
    """S5: an answer that repeats what the proxy was sent gets neither the password nor its encoding into a message."""

    async def repeat(request: web.Request) -> web.StreamResponse:
        return web.Response(status=404, text=f"{request.headers['Proxy-Authorization']} us:{TOKEN}")

    async with serve(repeat) as proxy:
        address = Secret(f"http://us:{TOKEN}@127.0.0.1:{proxy.port}")
        async with client("http://api.example", proxy=address) as http:
            with pytest.raises(Gone) as caught:
                await drain(http, get("http://api.example/x", credentials=None))
    assert str(caught.value).endswith("answered 404: Basic [redacted] us:[redacted]")


async def test_a_proxy_that_refuses_tunnels_is_unreachable() -> None:
    """S5: a refused tunnel names the status, and neither the message nor its cause holds the proxy's password."""
    async with serve_raw(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n") as proxy:
        address = Secret(f"http://us:{TOKEN}@127.0.0.1:{proxy.port}")
        async with client("https://api.example", proxy=address) as http:
            with pytest.raises(Unreachable, match="the proxy answered 407") as caught:
                await drain(http, get("https://api.example/x"))
    assert caught.value.__cause__ is None


async def test_the_environment_configures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is not the account's."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with serve(answering(200, "audio")) as peer, client(peer.origin) as http:
        assert await drain(http, get(peer.origin)) == b"audio"


async def test_cookies_are_not_kept() -> None:
    """A cookie that a peer sets comes back to nobody."""
    async with serve(answering(200, "", {"Set-Cookie": "a=b"})) as peer, client(peer.origin) as http:
        for _ in range(2):
            await drain(http, get(peer.origin))
    assert not any("Cookie" in headers for _, _, headers in peer.asked)


async def test_exchanges_are_traced() -> None:
    """Every hop is told by its endpoint, status and seconds; one without an answer has no status."""
    told: list[tuple[str, int | None]] = []
    async with serve(answering(404)) as peer, client(peer.origin, trace=lambda *what: told.append(what[:2])) as http:
        with pytest.raises(Gone):
            await drain(http, get(peer.origin))
    async with client(peer.origin, trace=lambda *what: told.append(what[:2])) as http:
        with pytest.raises(Unreachable):
            await drain(http, get(peer.origin))
    assert told == [("list", 404), ("list", None)]
