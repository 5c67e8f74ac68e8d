"""Faults of the status and of the connection over real sockets."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.unit.sandbox.guests import PLAIN, visit_kazoo, visit_vbc
from tests.unit.sandbox.visitor import Visitor, visit


async def newest(visitor: Visitor) -> dict[str, Any]:
    """The row of the newest recording."""
    return (await visitor.rows())[0]


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ("status:share=1", 503),
        ("status:share=1,code=404", 404),
        ("unauthorized:share=1", 401),
        ("throttled:share=1", 429),
    ],
)
async def test_media_is_refused_and_then_served(order: str, status: int) -> None:
    """B5, D7, P1: a refusal on order is counted, and the next request for the same recording is answered."""
    async with visit(faults=(order,)) as visitor:
        row = await newest(visitor)
        assert (await visitor.get(row["recording_url"])).status == status
        assert (await visitor.audio(row)).status == 200
        assert visitor.ledger["requests"]["refused"] == 1
        assert visitor.ledger["recordings"][row["recording_id"]]["faults"] == {order.partition(":")[0]: 1}


@pytest.mark.parametrize("endpoint", ["list", "retrieve", "auth_me", "store", "delete"])
async def test_any_endpoint_can_be_struck(endpoint: str) -> None:
    """D7: on= names the endpoint that fails, and no other fails."""
    async with visit(faults=()) as visitor:
        rows = await visitor.rows()
        answers = [await visitor.get(row["recording_url"]) for row in rows]
        stored = next(answer for answer in answers if answer.status == 302)
        await visitor.control({"faults": [f"status:share=1,times=0,on={endpoint}"]})
        retrieve = f"{visitor.listing_url}{rows[0]['recording_id']}/"
        seen = {
            "list": (await visitor.get(visitor.listing_url)).status,
            "retrieve": (await visitor.get(retrieve)).status,
            "auth_me": (await visitor.get(f"{visitor.account['base_url']}/auth/me")).status,
            "store": (await visitor.get(stored.headers["Location"], {})).status,
        }
        async with visitor.session.delete(retrieve, headers=visitor.credentials) as response:
            seen["delete"] = response.status
    assert {name for name, status in seen.items() if status == 503} == {endpoint}


@pytest.mark.parametrize("kind", ["seconds", "date", "absent"])
async def test_throttling_says_how_long(kind: str) -> None:
    """P1: Retry-After comes in seconds, as an HTTP date, or not at all."""
    async with visit(faults=(f"throttled:share=1,on=list,retry_after={kind},seconds=30",)) as visitor:
        wait = (await visitor.get(visitor.listing_url)).headers.get("Retry-After")
    if kind == "date":
        left = parsedate_to_datetime(str(wait)) - datetime.now(UTC)
        assert 25 < left.total_seconds() <= 30
    else:
        assert wait == {"seconds": "30", "absent": None}[kind]


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_connection_breaks_before_the_answer(how: str) -> None:
    """R1, P4: no byte comes, as often as was ordered (aiohttp may try again by itself), and then an answer."""
    async with visit(faults=(f"no_answer:share=1,times=3,how={how}",)) as visitor:
        row = await newest(visitor)
        while visitor.ledger["faults"].get("no_answer", 0) < 3:
            with suppress(ConnectionError, aiohttp.ClientConnectionError):
                await visitor.get(row["recording_url"])
        assert (await visitor.audio(row)).status == 200
        assert visitor.ledger["recordings"][row["recording_id"]]["media_requests"] > 3


@pytest.mark.parametrize("order", ["no_answer:share=1,how=hang", "hang:share=1,part=0.5", "hang:share=1,part=0"])
async def test_a_connection_hangs(order: str) -> None:
    """P4: silence before an answer or in its middle, until the client gives up; then all is well."""
    async with visit(faults=(order,)) as visitor:
        rows = await visitor.rows()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(visitor.audio(rows[0]), 0.3)
        await visitor.control({"clear_faults": True})
        assert (await visitor.audio(rows[0])).status == 200


@pytest.mark.parametrize("part", ["0", "0.5"])
async def test_a_body_is_reset(part: str) -> None:
    """B1, B4: the connection breaks after a part of the body, which the ledger knows."""
    async with visit(faults=(f"reset:share=1,part={part}",)) as visitor:
        row = await newest(visitor)
        with pytest.raises((aiohttp.ClientPayloadError, ConnectionError)):
            await visitor.audio(row)
        entry = visitor.ledger["recordings"][row["recording_id"]]
        assert (await visitor.audio(row)).status == 200
    assert entry["served"][0]["size_bytes"] == int(entry["size_bytes"] * float(part))
    assert not entry["served"][0]["complete"]


@pytest.mark.parametrize("order", ["slow:share=1,bytes_per_s=20000", "delay:share=1,seconds=0.2"])
async def test_slowness_changes_no_byte(order: str) -> None:
    """P4: what comes slowly or late is the recording."""
    async with visit(faults=(order,), audio_seconds=(1.0, 1.0)) as visitor:
        row = await newest(visitor)
        started_at = asyncio.get_running_loop().time()
        await visitor.audio(row)
        elapsed_s = asyncio.get_running_loop().time() - started_at
        entry = visitor.ledger["recordings"][row["recording_id"]]
    assert entry["served"][0]["complete"]
    assert elapsed_s > 0.08


@pytest.mark.parametrize("framing", ["chunked", "close"])
async def test_a_length_may_be_unknown(framing: str) -> None:
    """B1: a whole body goes out without a length, and the ledger takes it for whole."""
    async with visit(faults=(f"framed:share=1,framing={framing}",)) as visitor:
        row = await newest(visitor)
        answer = await visitor.audio(row)
        entry = visitor.ledger["recordings"][row["recording_id"]]
    assert "Content-Length" not in answer.headers
    assert ("Transfer-Encoding" in answer.headers) == (framing == "chunked")
    assert (entry["served"][0]["complete"], len(answer.body)) == (True, entry["size_bytes"])


@pytest.mark.parametrize(
    ("way", "scheme"),
    [("https", "https"), ("file", "file"), ("metadata", "http"), ("userinfo", "http"), ("endless", "http")],
)
async def test_redirects_lead_astray(way: str, scheme: str) -> None:
    """S1, S2: a redirect to another scheme, a private address, with user-info, or without an end."""
    async with visit(faults=(f"redirect:share=1,to={way}",)) as visitor:
        answer = await visitor.get((await newest(visitor))["recording_url"])
    assert (answer.status, URL(answer.headers["Location"]).scheme) == (302, scheme)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_stranger_has_the_audio(code: int) -> None:
    """S1: another origin serves the recording to whoever brings no credentials, and counts those that do."""
    async with visit_kazoo(faults=(f"redirect:share=1,times=0,code={code}",)) as kazoo:
        recording_id = next(name for name, entry in kazoo.ledger["recordings"].items() if entry["retrievable"])
        answer = await kazoo.media(recording_id)
        audio = await kazoo.ask("GET", answer.headers["Location"], PLAIN)
        refused = await kazoo.ask("GET", answer.headers["Location"], kazoo.credentials)
        entry = kazoo.ledger["recordings"][recording_id]
    assert URL(answer.headers["Location"]).origin() != URL(kazoo.base_url).origin()
    assert (answer.status, audio.status, refused.status) == (code, 200, 400)
    assert entry["served"][0]["sha256"] == entry["sha256"]
    assert kazoo.ledger["credential_leaks"] == 1


async def test_a_range_is_ignored() -> None:
    """B4: the whole comes under 200 although a part was asked for."""
    async with visit(faults=("ignored_range:share=1",)) as visitor:
        row = await newest(visitor)
        whole = await visitor.audio(row)
        url = (await visitor.get(row["recording_url"])).headers.get("Location")
        asked = {"Range": "bytes=100-", **({} if url else visitor.credentials)}
        answer = await visitor.get(url or row["recording_url"], asked)
    assert (answer.status, answer.body) == (200, whole.body)


@pytest.mark.parametrize("honest", ["true", "false"])
async def test_a_range_is_shifted(honest: str) -> None:
    """B4: the bytes begin elsewhere than asked; the header admits it or not."""
    async with visit(faults=(f"shifted_range:share=1,by=3,honest={honest}",)) as visitor:
        row = await newest(visitor)
        whole = (await visitor.audio(row)).body
        url = (await visitor.get(row["recording_url"])).headers.get("Location")
        asked = {"Range": "bytes=100-", **({} if url else visitor.credentials)}
        answer = await visitor.get(url or row["recording_url"], asked)
    start = 97 if honest == "true" else 100
    assert (answer.status, answer.body) == (206, whole[97:-3])
    assert answer.headers["Content-Range"].startswith(f"bytes {start}-")


async def test_tokens_end_in_the_middle() -> None:
    """O5: the struck request and every later one is refused until somebody logs in again."""
    async with visit_vbc(faults=("expired:share=1,on=list,after=1",)) as vbc:
        path = "accounts/self/company_call_recordings?page_size=50"
        statuses = [(await vbc.get(path)).status for _ in range(3)]
        await vbc.login(vbc.form())
        assert vbc.ledger["requests"]["login"] == 2
    assert statuses == [200, 401, 401]


async def test_a_login_can_fail() -> None:
    """O5: the login too answers with an error page, a refusal or a broken body."""
    async with visit_kazoo() as kazoo:
        await kazoo.control({"faults": ["status:share=1,on=login,code=500", "html:share=1,on=login,typed=true"]})
        key = {"api_key": kazoo.account["api_key"]}
        answers = [await kazoo.login(key) for _ in range(3)]
    assert [answer.status for answer in answers] == [500, 200, 201]
    assert answers[1].body.startswith(b"<!DOCTYPE")
