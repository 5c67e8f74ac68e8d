"""The endpoint over a real socket, in front of a real catalog."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest

from archiver.app.config.schema import OpsConfig
from archiver.app.ops.metrics import Counts
from archiver.app.ops.server import Endpoint, serving
from archiver.catalog.postgres import Catalog
from archiver.model.errors import CatalogUnavailable, ConfigError, Denied
from archiver.model.secret import Secret
from archiver.ports.catalog import AccountStatus
from archiver.ports.statistics import Hour, Troubled, Waiting
from tests.builders import ACCOUNT, make_listed, make_malformed, make_page, make_walk_request
from tests.contract.catalog.setting import Catalog as AnyCatalog
from tests.contract.catalog.setting import record, suspect_one
from tests.unit.app.ops.accounts import ACME, NOW, make_status, make_vitals, make_waiting

HOSTILE = '<script>alert("x")</script>'


@asynccontextmanager
async def opened(endpoint: Endpoint) -> AsyncIterator["Client"]:
    """The endpoint served, and a client of it."""
    async with serving(endpoint) as listen, aiohttp.ClientSession() as session:
        yield Client(f"http://{listen}", session)


class Client:
    """Asks the endpoint."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self._base = base
        self._session = session

    async def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, Any]:
        """The status, the body and the headers."""
        async with self._session.request(method, self._base + path, headers=headers) as answer:
            return answer.status, await answer.text(), answer.headers


def make_config(listen: str, **changes: Any) -> OpsConfig:
    """The table ``[ops]``, as the file would have it."""
    values: dict[str, Any] = {"listen": listen, **changes}
    return OpsConfig(**values)


def make_endpoint(source: Any = None, **changes: Any) -> Endpoint:
    """An endpoint on any port."""
    endpoint = Endpoint(config=make_config("127.0.0.1:0", **changes), vitals=make_vitals(), counts=Counts())
    endpoint.glances.source = source
    return endpoint


async def fill(catalog: Catalog) -> None:
    """A catalog with a verified suspect, a pending, and a malformed row, all with hostile names."""
    it: AnyCatalog = catalog
    await it.enrol(ACCOUNT, "vobiz", "MA_1")
    await suspect_one(it, HOSTILE)
    await record(it, make_listed(HOSTILE))
    walk = await it.begin_walk(make_walk_request())
    await it.record(
        walk.id, make_page(make_listed("r1"), make_listed(HOSTILE), malformed=[make_malformed(reason=HOSTILE)])
    )
    await it.end_walk(walk.id, None)


async def test_the_addresses_answer(catalog: Catalog) -> None:
    """T4, T5: each address answers in its form, from the catalog as it is; the counts agree with it."""
    await fill(catalog)
    endpoint = make_endpoint(catalog)
    endpoint.counts.of(ACCOUNT).stored(100, 0.5)
    async with opened(endpoint) as client:
        status, text, headers = await client.get("/healthz")
        assert (status, json.loads(text)) == (200, {"alive": True})
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] == "archiver"
        status, text, _ = await client.get("/readyz")
        assert (status, json.loads(text)["ready"]) == (200, True)
        status, text, headers = await client.get("/metrics")
        assert f'archiver_recordings{{account="{ACCOUNT}",state="pending"}} 1.0' in text
        assert f'archiver_downloads_total{{account="{ACCOUNT}",outcome="stored"}} 1.0' in text
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4")


async def test_every_metric_of_the_contract_is_there(catalog: Catalog) -> None:
    """The contract's names are scraped, each with its labels."""
    await fill(catalog)
    endpoint = make_endpoint(catalog)
    meter = endpoint.counts.of(ACCOUNT)
    meter.listed(3)
    meter.missed("denied")
    meter.requested("list", 200, 0.1)
    meter.requested("media", None, 0.1)
    meter.silenced(2.5)
    meter.verified("ok")
    async with opened(endpoint) as client:
        _, text, _ = await client.get("/metrics")
    for sample in (
        f'listed_total{{account="{ACCOUNT}"}} 3.0',
        f'downloads_total{{account="{ACCOUNT}",outcome="denied"}} 1.0',
        f'download_bytes_total{{account="{ACCOUNT}"}} 0.0',
        'download_seconds_bucket{le="+Inf"} 0.0',
        f'requests_total{{account="{ACCOUNT}",endpoint="list",status="200"}} 1.0',
        f'requests_total{{account="{ACCOUNT}",endpoint="media",status="none"}} 1.0',
        f'throttled_seconds_total{{account="{ACCOUNT}"}} 2.5',
        f'backlog{{account="{ACCOUNT}"}} 1.0',
        f'oldest_pending_seconds{{account="{ACCOUNT}"}} ',
        f'last_complete_walk_timestamp_seconds{{account="{ACCOUNT}",listing="recordings"}} ',
        'verify_total{outcome="ok"} 1.0',
        "build_info{version=",
    ):
        assert f"\narchiver_{sample}" in text, sample
    assert "# TYPE archiver_remote_deletes_total counter" in text
    assert "# TYPE archiver_next_expiry_seconds gauge" in text


async def test_the_page_escapes_what_it_shows(catalog: Catalog) -> None:
    """Names and reasons from providers are text, never markup; nothing is fetched and nothing runs."""
    await fill(catalog)
    endpoint = make_endpoint(catalog)
    endpoint.vitals.accounts[ACME].fail(Denied(HOSTILE), NOW)
    async with opened(endpoint) as client:
        status, text, headers = await client.get("/")
    assert status == 200
    assert HOSTILE not in text
    assert text.count("&lt;script&gt;") >= 3
    assert "<script" not in text
    assert "http" not in text.replace('http-equiv="refresh"', "")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_a_token_is_asked_for_everywhere(catalog: Catalog) -> None:
    """S6: with a token nothing is answered without it, whatever the address, and a wrong one is no better."""
    async with opened(make_endpoint(catalog, token=Secret("let-me-in"))) as client:
        for path in ("/", "/healthz", "/readyz", "/metrics", "/nothing"):
            assert (await client.get(path))[0] == 401
        assert (await client.get("/healthz", Authorization="Bearer let-me-out"))[0] == 401
        assert (await client.get("/healthz", Authorization="Bearer let-me-in"))[0] == 200
        assert (await client.get("/nothing", Authorization="bearer let-me-in"))[0] == 404


async def test_it_only_reads() -> None:
    """Nothing but GET and HEAD is understood."""
    async with opened(make_endpoint()) as client:
        assert (await client.get("/readyz", "POST"))[0] == 405
        assert (await client.get("/readyz/../etc"))[0] == 404


class Frozen:
    """A catalog that never answers."""

    asked = 0

    async def status(self) -> Sequence[AccountStatus]:
        """Never."""
        self.asked += 1
        await asyncio.Event().wait()
        return ()

    async def now(self) -> datetime:
        """The time."""
        return NOW


async def test_a_frozen_catalog_freezes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """T4: while the catalog does not answer the process is alive, not ready, and says so; it is asked once only."""
    monkeypatch.setattr("archiver.app.ops.glance.ANSWER_WITHIN", (NOW - NOW).resolution * 50_000)
    source = Frozen()
    async with opened(make_endpoint(source)) as client:
        answers = await asyncio.gather(*(client.get("/readyz") for _ in range(10)), client.get("/metrics"))
        assert (await client.get("/healthz"))[0] == 200
    assert [status for status, _, _ in answers] == [503] * 10 + [200]
    assert json.loads(answers[0][1])["reasons"][0]["code"] == "catalog_unreachable"
    assert source.asked == 1


class Leaving:
    """A catalog that knows one account, until it leaves."""

    is_there = True

    async def status(self) -> Sequence[AccountStatus]:
        """One account, whose oldest recording expires soon."""
        if not self.is_there:
            raise CatalogUnavailable("refused")
        return [make_status(next_expiry_at=NOW + timedelta(hours=3), backlog=41, stored_bytes=7_000_000)]

    async def now(self) -> datetime:
        """The time."""
        return NOW

    async def waiting(self, _limit: int) -> Sequence[Waiting]:
        """It, and what is wrong with it."""
        return [make_waiting(error="the audio is empty")]

    async def throughput(self, _window: timedelta) -> Sequence[Hour]:
        """An hour."""
        return [Hour(begins_at=NOW, count=1234, bytes=5)]

    async def troubled(self, _limit: int) -> Sequence[Troubled]:
        """None."""
        return []


async def test_a_catalog_that_leaves_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """T4: while the catalog is away the page shows what it said last, and says so; metrics show no state that is not
    known, but what was counted; troubles that the process knows by itself are told."""
    monkeypatch.setattr("archiver.app.ops.glance.FRESH_FOR", timedelta(0))
    endpoint = make_endpoint(source := Leaving())
    endpoint.counts.of(ACME).stored(100, 0.5)
    endpoint.vitals.accounts[ACME].fail(Denied("401: who are you"), NOW)
    async with opened(endpoint) as client:
        _, page, _ = await client.get("/")
        _, metrics, _ = await client.get("/metrics")
        assert "Recordings are about to be lost." in page
        assert "at most 1,234" in page
        assert page.count("the audio is empty") == 2
        assert "The catalog does not answer now" not in page
        assert "archiver_catalog_reachable 1.0" in metrics
        source.is_there = False
        _, page, _ = await client.get("/")
        _, metrics, _ = await client.get("/metrics")
        status, text, _ = await client.get("/readyz")
    assert "The catalog does not answer now" in page
    assert "7 MB" in page
    assert "archiver_catalog_reachable 0.0" in metrics
    assert "archiver_recordings{" not in metrics
    assert "archiver_downloads_total{" in metrics
    codes = [reason["code"] for reason in json.loads(text)["reasons"]]
    assert status == 503
    assert codes[:2] == ["catalog_unreachable", "account_failing"]
    assert "expiry_near" in codes


async def test_before_the_catalog_was_reached() -> None:
    """T3: until catalog and storage were reached the process is alive and not ready, and invents no numbers."""
    endpoint = make_endpoint()
    endpoint.vitals.is_started = False
    async with opened(endpoint) as client:
        assert (await client.get("/healthz"))[0] == 200
        status, text, _ = await client.get("/readyz")
        _, page, _ = await client.get("/")
    assert (status, [reason["code"] for reason in json.loads(text)["reasons"]]) == (503, ["starting"])
    assert "is not known now" in page
    assert "recordings verified" not in page


async def test_an_address_in_use_is_named() -> None:
    """A port that somebody has is a configuration error that names the key."""
    async with serving(make_endpoint()) as listen:
        assert listen is not None
        endpoint = Endpoint(config=make_config(listen), vitals=make_vitals(), counts=Counts())
        with pytest.raises(ConfigError) as raised:
            async with serving(endpoint):
                pass
    assert raised.value.key == "ops.listen"


async def test_it_can_be_turned_off() -> None:
    """With an empty address nothing is listened on."""
    async with serving(Endpoint(config=make_config(""), vitals=make_vitals(), counts=Counts())) as listen:
        assert listen is None
