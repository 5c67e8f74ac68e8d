"""``archiver check``: everything that is wrong, each with its fix, and nothing changed but by the storage's probe."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from archiver.catalog.migrate import is_empty
from archiver.catalog.pool import open_connection
from tests.fakes.web import answering, serve
from tests.system.stage import ACCOUNT, Answer, Stage, ended
from tests.system.test_accounts import REFUSES, add_account, peer
from tests.system.test_mistakes import Amend, account, block_storage, replace

WHERE = f"accounts.{ACCOUNT}"
NOBODY = replace("postgresql://", "postgresql://127.0.0.1:9")
NO_ROOM = replace("[storage]", '[storage]\nmin_free = "900TiB"')
READ_ONLY = replace("?host=", "?default_transaction_read_only=on&host=")


DESERTED = f"""\
[catalog]
dsn = "postgresql://127.0.0.1:9/archiver"
[storage]
url = "file:./var/recordings"
[accounts.{ACCOUNT}]
provider = "vobiz"
base_url = "https://127.0.0.1:9/api/v1"
auth_id = "MA_NOBODY"
auth_token = "token-of-nobody"
"""


@pytest.fixture
def deserted(tmp_path: Path) -> Stage:
    """A configuration in a folder of its own; nothing that it names answers."""
    stage = Stage(folder=tmp_path, ready={})
    stage.config.write_text(DESERTED)
    return stage


def problems(answer: Answer) -> dict[str, str]:
    """The problems that a JSON answer tells, by where they are. Each has a fix."""
    assert answer.json["ok"] is (answer.json["problems"] == [])
    assert all(problem["fix"] for problem in answer.json["problems"])
    return {problem["where"]: problem["message"] for problem in answer.json["problems"]}


async def test_a_sound_configuration_passes(stage: Stage) -> None:
    """Every look is told in a line of its own, and no media is asked for."""
    answer = await stage.run("check")
    assert answer.code == 0, answer.stdout + answer.stderr
    looks, verdict = answer.stdout.split("\n\n")
    marks = [line.split()[:2] for line in looks.splitlines()]
    assert marks == [["ok", where] for where in ("configuration", "catalog", "storage", WHERE, "clock")]
    assert verdict == "everything is in order\n"
    assert await stage.media_requests() == 0
    assert (await stage.run("check", "--json")).json == {"ok": True, "problems": []}


async def test_offline_nothing_is_asked(deserted: Stage) -> None:
    """Offline needs neither a catalog nor a provider, writes nothing, and says what was not tried."""
    answer = await deserted.run("check", "--offline")
    assert answer.code == 0, answer.stdout
    assert "not tried: " in answer.stdout
    assert list(deserted.folder.iterdir()) == [deserted.config]


SEEN_OFFLINE = [
    pytest.param(account(auth_tokn='"x"'), 2, f"{WHERE}.auth_tokn", "unknown key", id="unknown key"),
    pytest.param(account(auth_token='{ env = "NOT_SET" }'), 2, f"{WHERE}.auth_token", "NOT_SET", id="missing secret"),
    pytest.param(account(base_url='"ftp://a.example"'), 2, f"{WHERE}.base_url", "URL", id="no http address"),
    pytest.param(replace("[storage]", '[storage]\nkey = "{account}"'), 2, "storage.key", "recording_id", id="bad key"),
    pytest.param(account(ca_file='"nowhere.pem"'), 2, WHERE, "nowhere.pem", id="no authorities"),
    pytest.param(account(enabled="false"), 2, "accounts", "enabled", id="no account"),
    pytest.param(block_storage, 3, "storage", "directory", id="blocked storage"),
    pytest.param(NO_ROOM, 3, "storage", "free", id="no room"),
]
SEEN_ONLINE = [
    pytest.param(account(auth_token='"wrong-token-1234"'), 2, WHERE, "401", id="refused credentials"),
    pytest.param(account(base_url='"http://127.0.0.1:9/v1"'), 3, WHERE, "no connection", id="unreachable provider"),
    pytest.param(NOBODY, 3, "catalog", "does not answer", id="unreachable catalog"),
    pytest.param(READ_ONLY, 3, "catalog", "read-only", id="catalog on a standby"),
]


@pytest.mark.parametrize(("amend", "code", "where", "word"), SEEN_OFFLINE)
async def test_a_mistake_is_seen_offline(deserted: Stage, amend: Amend, code: int, where: str, word: str) -> None:
    """T6: the only problem is named with its place, cause and fix before any request, with the contract's exit code."""
    amend(deserted)
    answer = await deserted.run("check", "--offline", "--json")
    assert answer.code == code, answer.stdout
    ((place, message),) = problems(answer).items()
    assert place.endswith(where)
    assert word in message


@pytest.mark.parametrize(("amend", "code", "where", "word"), SEEN_ONLINE)
async def test_a_mistake_is_seen_online(stage: Stage, amend: Amend, code: int, where: str, word: str) -> None:
    """What only the other side knows is named alike, for people too, and no secret is shown."""
    amend(stage)
    answer = await stage.run("check", "--json")
    assert answer.code == code, answer.stdout
    ((place, message),) = problems(answer).items()
    assert place == where
    assert word in message
    plain = await stage.run("check")
    assert plain.code == code
    assert "fix: " in plain.stdout
    assert plain.stdout.endswith("\n\n1 problem\n")
    assert "wrong-token-1234" not in plain.stdout + plain.stderr + answer.stdout


async def test_all_is_looked_at_whatever_was_found(stage: Stage) -> None:
    """Catalog, storage and account are wrong at once, and each is told; mistakes in the file come all together."""
    for amend in (NOBODY, block_storage, account(auth_token='"wrong-token-1234"')):
        amend(stage)
    answer = await stage.run("check", "--json")
    assert (answer.code, list(problems(answer))) == (3, ["catalog", "storage", WHERE])
    stage.amend(auth_tokn='"x"', concurrency="0")
    assert len(problems(await stage.run("check", "--json"))) == 2


async def test_one_account_of_two_is_refused(stage: Stage) -> None:
    """Some but not all accounts refused is exit code 1, and only that one is a problem."""
    async with peer(REFUSES) as base_url:
        add_account(stage, base_url)
        answer = await stage.run("check", "--json")
    assert answer.code == 1
    assert "403" in problems(answer)["accounts.troubled"]


async def test_a_clock_that_is_off_is_told(stage: Stage) -> None:
    """An account that works, at a provider whose clock is ten minutes ahead, is a problem of the clocks alone."""
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    listing = {"meta": {"next": None, "total_count": 0}, "objects": []}
    async with serve(answering(200, listing, {"Date": date})) as provider:
        add_account(stage, f"{provider.origin}/api/v1")
        answer = await stage.run("check", "--json")
    assert answer.code == 1
    ((where, message),) = problems(answer).items()
    assert (where, message.split(" s ")[1]) == ("clock", "behind that of accounts.troubled")


async def test_the_schema_is_left_alone(stage: Stage, empty_dsn: str, catalog_dsn: str) -> None:
    """A catalog without a schema is fine where the next run may create it, else a problem; it stays as it is."""
    replace(catalog_dsn, empty_dsn)(stage)
    assert "the first run will create it" in (await stage.run("check")).stdout
    replace("[catalog]", '[catalog]\nmigrate = "manual"')(stage)
    answer = await stage.run("check", "--json")
    assert answer.code == 3
    assert answer.json["problems"][0]["fix"] == "run: archiver migrate"
    assert await is_empty(empty_dsn)


async def test_a_newer_catalog_is_refused(stage: Stage, catalog_dsn: str) -> None:
    """R8: a schema that this program does not know yet is a problem."""
    async with open_connection(catalog_dsn) as connection:
        await connection.execute("INSERT INTO schema_migrations (version, name, sha256) VALUES (9999, 'x', 'x')")
    answer = await stage.run("check", "--json")
    assert answer.code == 3
    assert "9999" in problems(answer)["catalog"]


async def test_an_embedded_catalog_is_not_made(stage: Stage, catalog_dsn: str) -> None:
    """An embedded catalog that is not there yet is fine, and still not there afterwards."""
    replace(catalog_dsn, "embedded:./var/catalog")(stage)
    answer = await stage.run("check")
    assert answer.code == 0, answer.stdout
    assert "the first run will create it" in answer.stdout
    assert not (stage.folder / "var" / "catalog").exists()


async def test_it_can_be_interrupted(stage: Stage) -> None:
    """SIGINT ends a check at once while a provider hangs."""
    hangs = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hangs.set()
        await asyncio.sleep(60)

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        stage.amend(base_url=f'"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1"')
        process = await stage.start("check")
        await asyncio.wait_for(hangs.wait(), stage.within_s)
        process.send_signal(signal.SIGINT)
        assert (await ended(process)).code == 130
