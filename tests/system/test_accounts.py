"""Several accounts side by side: one's trouble is never the others' (D7), and the exit code says what is left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.system.oracle import consult
from tests.system.stage import ACCOUNT, Stage

REFUSES = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
THROTTLES = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
BREAKS = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{"
NO_LISTING = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\n{"items": []}'


@asynccontextmanager
async def peer(answer: bytes | None) -> AsyncIterator[str]:
    """A provider that always gives the same answer; None never answers."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}/api/v1"


def add_account(stage: Stage, base_url: str) -> None:
    """Configure one more account, at another provider."""
    stage.amend(
        f'[accounts.troubled]\nprovider = "vobiz"\nbase_url = "{base_url}"\nallow_http = true\n'
        'auth_id = "MA_TROUBLE"\nauth_token = "trouble-token"\nrate_limit = "1000/s"\n'
        '[transfer]\nmax_attempts = 2\nbackoff = "1ms"\nidle_timeout = "1s"\n'
    )


@pytest.mark.parametrize(
    ("answer", "word"),
    [(REFUSES, "403"), (THROTTLES, "429"), (BREAKS, "cut short"), (None, "no byte"), (NO_LISTING, "unknown shape")],
    ids=["refuses", "throttles", "breaks", "hangs", "no listing"],
)
async def test_one_account_s_trouble_is_not_the_others(stage: Stage, answer: bytes | None, word: str) -> None:
    """D7: the sound account is archived whole; the other is named with its cause; some failing is exit code 1."""
    async with peer(answer) as base_url:
        add_account(stage, base_url)
        run = await stage.run("backfill", "--json")
    assert run.code == 1
    await consult(stage)
    accounts = run.json["accounts"]
    assert accounts[ACCOUNT]["done"]["verified"] == 40
    troubled = accounts["troubled"]
    assert troubled["listed"] == 0
    assert word in (troubled["walks"][0]["reason"] + str(troubled.get("error")))
    status = (await stage.run("status", "--json")).json["accounts"]
    assert not status["troubled"]["walks"]["recordings"]["complete"]
    assert status[ACCOUNT]["walks"]["recordings"]["complete"]


async def test_an_account_that_was_removed_keeps_its_rows(stage: Stage) -> None:
    """What left the configuration is shown as unconfigured, with all its recordings, and is not walked any more."""
    await stage.run("backfill")
    stage.config.write_text(stage.config.read_text().replace(f"[accounts.{ACCOUNT}]", "[accounts.renamed]"))
    listed = await stage.ledger()
    status = await stage.run("status")
    assert f"{ACCOUNT}  vobiz  unconfigured" in status.stdout
    assert (await stage.run("status", "--json")).json["accounts"][ACCOUNT]["states"]["verified"] == 40
    assert (await stage.ledger())["requests"] == listed["requests"]


async def test_accounts_can_be_chosen(stage: Stage) -> None:
    """With --account only that one is walked, and its exit code alone counts."""
    async with peer(REFUSES) as base_url:
        add_account(stage, base_url)
        assert (await stage.run("backfill", "--account", ACCOUNT)).code == 0
        assert (await stage.run("backfill", "--account", "troubled")).code == 2
