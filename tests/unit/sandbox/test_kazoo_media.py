"""Kazoo's media over real sockets: Accept, Range, and audio that is not there yet."""

import gzip
from hashlib import sha256
from typing import Any

import pytest

from archiver.sandbox.kazoo_months import gregorian
from archiver.sandbox.options import KazooOptions
from tests.unit.sandbox.guests import KazooGuest, visit_kazoo
from tests.unit.sandbox.visitor import ANCHOR

FIRST, LAST = gregorian(ANCHOR) - 28 * 86400, gregorian(ANCHOR)


async def ready_row(kazoo: KazooGuest) -> dict[str, Any]:
    """A row whose audio is there."""
    rows: list[dict[str, Any]] = await kazoo.rows(FIRST, LAST)
    return next(row for row in rows if row["_read_only"]["content_types"])


async def test_audio_is_what_the_ledger_says() -> None:
    """Media of either container comes for Accept: audio/mpeg under its own type, whole, as the ledger knows it."""
    async with visit_kazoo(kazoo=KazooOptions(late_media=0)) as kazoo:
        types = set()
        for row in await kazoo.rows(FIRST, LAST):
            answer = await kazoo.media(row["id"])
            entry = kazoo.ledger["recordings"][row["id"]]
            served = {"sha256": sha256(answer.body).hexdigest(), "size_bytes": len(answer.body)}
            types.add((answer.headers["Content-Type"], entry["format"]))
            assert [answer.headers["Content-Type"]] == row["_read_only"]["content_types"]
            assert {**entry, **served, "media_requests": 1, "ready": True, "retrievable": True} == entry
            assert entry["served"] == [{**served, "complete": True}]
        assert types == {("audio/mpeg", "mp3"), ("audio/wav", "wav")}


@pytest.mark.parametrize(
    ("accept", "query", "status", "kind"),
    [
        ("audio/mpeg", "", 200, "media"),
        ("audio/mp3", "", 200, "media"),
        ("audio/mpeg, */*;q=0.5", "", 200, "media"),
        ("*/*", "?accept=audio/mpeg", 200, "media"),
        (None, "?accept=audio/mpeg", 200, "media"),
        ("application/json", "?accept=audio/mpeg", 200, "document"),
        ("*/*", "", 200, "document"),
        (None, "", 200, "document"),
        ("application/json", "", 200, "document"),
        ("audio/mpeg;q=0.1, application/json", "", 200, "document"),
        ("audio/*", "", 200, "nothing"),
        ("audio/wav", "", 406, "nothing"),
        ("text/html;q=x", "", 406, "nothing"),
    ],
)
async def test_accept_decides(kazoo: KazooGuest, accept: str | None, query: str, status: int, kind: str) -> None:
    """B2: only audio/mpeg and audio/mp3 give media; */* gives the document, and audio/* an empty body under 200."""
    row = await ready_row(kazoo)
    headers = {} if accept is None else {"Accept": accept}
    url = f"{kazoo.base_url}/accounts/{kazoo.account['account_id']}/recordings/{row['id']}{query}"
    skipped = ["Accept"] if accept is None else None
    answer = await kazoo.ask("GET", url, {**kazoo.credentials, **headers}, skip_auto_headers=skipped)
    truth = kazoo.ledger["recordings"][row["id"]]["sha256"]
    seen = {truth: "media", sha256(b"").hexdigest(): "nothing"}.get(sha256(answer.body).hexdigest(), "document")
    assert (answer.status, seen) == (status, kind)
    assert (answer.document is not None) == (kind == "document")


async def test_the_headers_of_media(kazoo: KazooGuest) -> None:
    """The name is not quoted, inline is a wish, the ETag is a revision, and Content-Range is there on 200."""
    row = await ready_row(kazoo)
    answer = await kazoo.media(row["id"])
    inline = await kazoo.get(f"recordings/{row['id']}?inline=true", Accept="audio/mpeg")
    assert answer.headers["Content-Disposition"] == f"attachment; filename={row['name']}"
    assert inline.headers["Content-Disposition"] == f"inline; filename={row['name']}"
    assert answer.headers["Etag"] == inline.headers["Etag"]
    assert answer.headers["Content-Range"] == f"bytes 0-{len(answer.body) - 1}/{len(answer.body)}"


async def test_media_is_compressed_where_the_client_allows_it(kazoo: KazooGuest) -> None:
    """B1: with gzip allowed, Content-Length is that of something else; identity gives the file's own."""
    row = await ready_row(kazoo)
    plain = await kazoo.media(row["id"])
    url = f"{kazoo.base_url}/accounts/{kazoo.account['account_id']}/recordings/{row['id']}"
    packed = await kazoo.ask("GET", url, {**kazoo.credentials, "Accept": "audio/mpeg", "Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) == len(gzip.compress(plain.body)) != len(plain.body)
    assert packed.body == plain.body


async def test_ranges_follow_their_own_rules(kazoo: KazooGuest) -> None:
    """B4: an open range gives 206; one that ends at the end or behind it gives everything under 200."""
    row = await ready_row(kazoo)
    body = (await kazoo.media(row["id"])).body
    size = len(body)
    expected = {
        "bytes=0-": (206, body, f"bytes 0-{size - 1}/{size}"),
        "bytes=100-": (206, body[100:], f"bytes 100-{size - 1}/{size}"),
        "bytes=100-199": (206, body[100:200], f"bytes 100-199/{size}"),
        f"bytes=100-{size - 1}": (200, body, f"bytes 0-{size - 1}/{size}"),
        f"bytes=100-{size * 2}": (200, body, f"bytes 0-{size - 1}/{size}"),
        "bytes=-5": (200, body, f"bytes 0-{size - 1}/{size}"),
    }
    for asked, wanted in expected.items():
        answer = await kazoo.media(row["id"], Range=asked)
        assert (answer.status, answer.body, answer.headers["Content-Range"]) == wanted
    assert (await kazoo.media(row["id"], Range=f"bytes={size}-")).status == 500


async def test_audio_comes_after_its_document(kazoo: KazooGuest) -> None:
    """B5: some rows list no content types and their media answers 404 with details, until it was asked for twice."""
    waiting = [name for name, entry in kazoo.ledger["recordings"].items() if not entry["ready"]]
    rows = {row["id"]: row for row in await kazoo.rows(FIRST, LAST)}
    assert len(waiting) == 3
    assert {name for name, row in rows.items() if not row["_read_only"]["content_types"]} == set(waiting) & set(rows)
    answers = [await kazoo.media(waiting[0]) for _ in range(3)]
    assert [answer.status for answer in answers] == [404, 404, 200]
    assert answers[0].document["data"] == {"message": "bad identifier", "details": waiting[0]}
    assert (await kazoo.get(f"recordings/{waiting[1]}")).status == 200
    assert kazoo.ledger["recordings"][waiting[0]]["ready"]


async def test_audio_comes_on_order() -> None:
    """B5: with media_after out of reach, make_ready is what brings the audio and its content type."""
    async with visit_kazoo(kazoo=KazooOptions(late_media=1, media_after=1000)) as kazoo:
        name = next(name for name, entry in kazoo.ledger["recordings"].items() if not entry["ready"])
        early = [(await kazoo.media(name)).status for _ in range(5)]
        await kazoo.control({"make_ready": [name]})
        assert (set(early), (await kazoo.media(name)).status) == ({404}, 200)


@pytest.mark.parametrize("name", ["nothing", "202605-xyz", "202605-" + "0" * 33])
async def test_malformed_ids_are_told_apart(kazoo: KazooGuest, name: str) -> None:
    """A malformed id answers 404 with a list; an unknown one with a cause."""
    malformed, unknown = await kazoo.media(name), await kazoo.media("202605-" + "0" * 32)
    assert (malformed.status, malformed.document["message"], malformed.document["data"]) == (
        404,
        "bad identifier",
        [name],
    )
    assert (unknown.status, set(unknown.document["data"])) == (404, {"message", "cause"})


async def test_deleted_recordings_vanish(kazoo: KazooGuest) -> None:
    """A recording that was taken away answers like one that never was."""
    row = await ready_row(kazoo)
    await kazoo.control({"delete": [row["id"]]})
    assert (await kazoo.media(row["id"])).document["data"]["cause"] == row["id"]
    assert row not in await kazoo.rows(FIRST, LAST)
    assert kazoo.ledger["recordings"][row["id"]]["deleted_at"].endswith("Z")
