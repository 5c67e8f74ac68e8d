"""Politeness and isolation, seen from the outside: proxies stand between the program and each provider, and take notes.

What a 429 asks for is kept (P1), streams are as many as they may be (P2), a dead provider is left alone, and the
trouble of some accounts is not the others' (D7).
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from aiohttp import web

from tests.system.oracle import consult
from tests.system.stage import ACCOUNT, Stage, ended, staged
from tests.system.test_accounts import REFUSES, peer

PROVIDERS = ("vobiz", "vonage_vbc", "kazoo")
THREE = tuple(word for name in PROVIDERS for word in ("--provider", name))
SHORT = ("--audio-seconds", "1", "--late-arrivals", "0", "--kazoo-straddlers", "0", "--kazoo-late-media", "0")
ON_THE_WAY_S = 0.3
"""What was sent before a 429 was read may arrive so much later, on a machine that has other things to do."""


@dataclass
class Passage:
    """A request that went through a proxy, in seconds of one clock; ``wait_s`` is the silence that its answer wants."""

    host: str
    asked_at: float
    status: int = 0
    answered_at: float = 0.0
    wait_s: float = 0.0


@dataclass
class Proxy:
    """A forward proxy. ``most`` is how many media streams were open at once; statuses of 200 and 206 count."""

    session: aiohttp.ClientSession
    passages: list[Passage] = field(default_factory=list)
    port: int = 0
    open: int = 0
    most: int = 0

    async def pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        """Ask who was meant, and hand the answer back as it comes."""
        passage = Passage(f"{request.url.host}:{request.url.port}", time.monotonic())
        self.passages.append(passage)
        kept = {name: value for name, value in request.headers.items() if not name.lower().startswith("proxy-")}
        async with self.session.request(
            request.method, request.url, headers=kept, data=await request.read(), allow_redirects=False
        ) as answer:
            passage.status, passage.wait_s = answer.status, wait_of(answer)
            response = web.StreamResponse(status=answer.status, headers=without_framing(answer.headers))
            is_stream = answer.status in {200, 206} and "audio" in answer.headers.get("Content-Type", "")
            self.open += is_stream
            self.most = max(self.most, self.open)
            passage.answered_at = time.monotonic()
            try:
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
            finally:
                self.open -= is_stream
            await response.write_eof()
        return response

    def too_early(self) -> list[Passage]:
        """Requests to the host of a 429 within the silence that it asked for."""
        silences = [passage for passage in self.passages if passage.status == 429]
        return [
            passage
            for passage in self.passages
            for silence in silences
            if passage.host == silence.host
            and silence.answered_at + ON_THE_WAY_S < passage.asked_at < silence.answered_at + silence.wait_s
        ]


P = TypeVar("P", bound=Proxy)


def wait_of(answer: aiohttp.ClientResponse) -> float:
    """The seconds of a Retry-After: of a date less than one may be left of the last; a second where none is named."""
    text = answer.headers.get("Retry-After")
    if answer.status != 429 or text is None:
        return float(answer.status == 429)
    if text.isdigit():
        return float(text)
    wait: timedelta = parsedate_to_datetime(text) - parsedate_to_datetime(answer.headers["Date"])
    return wait.total_seconds()


def without_framing(headers: Any) -> dict[str, str]:
    """The headers that are about the content."""
    return {name: value for name, value in headers.items() if name.lower() not in {"transfer-encoding", "connection"}}


@asynccontextmanager
async def proxy(kind: type[P]) -> AsyncIterator[P]:
    """A proxy of this kind on loopback."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        one = kind(session)
        runner = web.ServerRunner(web.Server(one.pass_on), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        one.port = runner.addresses[0][1]
        try:
            yield one
        finally:
            await runner.cleanup()


def account_of(provider: str) -> str:
    """The sandbox's name for its account."""
    return f"sandbox-{provider.replace('_', '-')}"


def amend(stage: Stage, provider: str, **changes: str) -> None:
    """Set keys of any account."""
    head, table, tail = stage.config.read_text().partition(f"[accounts.{account_of(provider)}]\n")
    own, bracket, rest = tail.partition("\n[")
    for key, value in changes.items():
        own = re.sub(rf"^{key} = .*\n", "", own, flags=re.MULTILINE)
        own = f"{key} = {value}\n{own}"
    stage.config.write_text(head + table + own + bracket + rest)


@pytest.mark.parametrize("retry_after", ["seconds", "date", "absent"])
async def test_after_a_429_the_credential_is_silent(tmp_path: Path, catalog_dsn: str, retry_after: str) -> None:
    """P1: whatever form Retry-After has, nothing goes to the host that sent the 429 before it has passed, from no
    account; and everything is archived all the same."""
    seconds = 2 if retry_after == "date" else 1  # of a date less than a second may be left
    asked = f"throttled:retry_after={retry_after},seconds={seconds},share=0.2"
    faults = [f"{asked},on={where}" for where in ("list", "media", "login")]
    options = (*THREE, "--recordings", "10", *SHORT, *(word for fault in faults for word in ("--fault", fault)))
    async with staged(tmp_path, catalog_dsn, *options) as stage, AsyncExitStack() as stack:
        stage.amend('[transfer]\nbackoff = "50ms"\n')
        proxies = []
        for name in PROVIDERS:
            proxies.append(await stack.enter_async_context(proxy(Proxy)))
            amend(stage, name, proxy=f'"http://127.0.0.1:{proxies[-1].port}"', rate_limit='"15/s"', burst="2")
        answer = await stage.run("backfill", "--json")
        assert answer.code == 0, answer.stdout + answer.stderr
        await consult(stage)
    refused = [sum(passage.status == 429 for passage in one.passages) for one in proxies]
    assert all(refused), refused
    assert [one.too_early() for one in proxies] == [[], [], []]


@pytest.mark.parametrize("concurrency", [1, 3, 8])
async def test_streams_are_as_many_as_they_may_be(tmp_path: Path, catalog_dsn: str, concurrency: int) -> None:
    """P2: with slow media an account has exactly as many streams open as it may, never one more."""
    options = ("--recordings", "12", *SHORT, "--fault", "slow:bytes_per_s=20000,share=1")
    async with staged(tmp_path, catalog_dsn, *options) as stage, proxy(Proxy) as between:
        stage.amend(concurrency=str(concurrency), proxy=f'"http://127.0.0.1:{between.port}"')
        answer = await stage.run("backfill")
        assert answer.code == 0, answer.stderr
    assert between.most == concurrency


@pytest.mark.parametrize("fault", ["no_answer:how=reset,", "no_answer:how=hang,", "status:code=503,", "hang:"])
async def test_a_dead_provider_is_left_alone(tmp_path: Path, catalog_dsn: str, fault: str) -> None:
    """D7, P4: where no media comes the run ends after a few requests, with the account named and attempts left; when
    the provider is back the next run archives everything."""
    options = ("--recordings", "60", *SHORT, "--fault", f"{fault}share=1,times=0")
    async with staged(tmp_path, catalog_dsn, *options) as stage:
        stage.amend('[transfer]\nbackoff = "20ms"\nidle_timeout = "500ms"\n')
        answer = await stage.run("backfill", "--json")
        assert answer.code == 1, answer.stderr
        assert answer.json["accounts"][ACCOUNT]["error"]["account"] == ACCOUNT
        assert await stage.media_requests() <= 10 + 8 + 2 * 5
        rows = (await stage.run("ls", "--json", "--all")).lines
        assert max(row["attempts"] for row in rows) <= 5 + 1
        assert sum(row["attempts"] == 0 for row in rows) > 30
        await stage.control(clear_faults=True)
        assert (await stage.run("backfill")).code == 0
        await consult(stage)


async def test_a_provider_that_fails_each_once_is_archived_in_one_run(tmp_path: Path, catalog_dsn: str) -> None:
    """O5: where every recording fails at first, as after a restart of the provider, one run still archives them all."""
    options = ("--recordings", "60", *SHORT, "--fault", "status:code=503,share=1,times=1")
    async with staged(tmp_path, catalog_dsn, *options) as stage:
        stage.amend('[transfer]\nbackoff = "50ms"\n')
        answer = await stage.run("backfill", "--json")
        assert answer.code == 0, answer.stdout + answer.stderr
        await consult(stage)


FAULTS = ("no_answer:how=hang,provider=kazoo,share=1,times=0", "throttled:provider=vonage_vbc,share=1,times=0")
TRIES = 4
"""Other work on the machine only ever makes a run longer, so the best of a few is what the program takes."""


async def _archive(stage: Stage, between: Proxy, name: str) -> float:
    """Archive the sound account under a name, so that it begins anew; answers the seconds from its first request to its
    last."""
    await stage.control(reset_counts=True)
    stage.config.write_text(
        re.sub(r"\[accounts\.(sandbox-vobiz|sound-\w+)\]", f"[accounts.{name}]", stage.config.read_text())
    )
    between.passages.clear()
    process = await stage.start("backfill")
    async with asyncio.timeout(stage.within_s):
        while not all(one["served"] for one in (await stage.ledgers())["vobiz"]["recordings"].values()):
            await asyncio.sleep(0.2)
    with suppress(ProcessLookupError):  # it may have ended by itself
        process.kill()
    await ended(process)
    return between.passages[-1].asked_at - between.passages[0].asked_at


async def test_others_are_not_slowed(tmp_path: Path, catalog_dsn: str) -> None:
    """D7: beside accounts that hang, are throttled for ever, refused and unreachable, a sound one takes less than 10 %
    longer than alone."""
    options = (*THREE, "--recordings", "60", *SHORT, *(word for fault in FAULTS for word in ("--fault", fault)))
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(staged(tmp_path, catalog_dsn, *options))
        between = await stack.enter_async_context(proxy(Proxy))
        refusing = await stack.enter_async_context(peer(REFUSES))
        amend(stage, "vobiz", proxy=f'"http://127.0.0.1:{between.port}"', rate_limit='"10/s"', burst="5")
        stage.amend('[transfer]\nidle_timeout = "5s"\n')
        for name, base_url in (("refused", refusing), ("dead", "http://127.0.0.1:9/api/v1")):
            stage.amend(
                f'[accounts.{name}]\nprovider = "vobiz"\nbase_url = "{base_url}"\nallow_http = true\n'
                'auth_id = "MA_1"\nauth_token = "trouble-token"\nenabled = false\n'
            )
        for name in ("vonage_vbc", "kazoo"):
            amend(stage, name, enabled="false")
        alone_s = await _archive(stage, between, "sound-alone")
        stage.config.write_text(stage.config.read_text().replace("enabled = false", "enabled = true"))
        beside_s = [await _archive(stage, between, "sound-0")]
        while len(beside_s) < TRIES and min(beside_s) >= 1.1 * alone_s:
            beside_s.append(await _archive(stage, between, f"sound-{len(beside_s)}"))
    assert alone_s > 4
    assert min(beside_s) < 1.1 * alone_s
