"""Mistakes of an operator: one clear message that names the thing and the fix, the right exit code, no download."""

import json
import os
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.stage import ACCOUNT, PROGRAM, Stage, ended

Amend = Callable[[Stage], None]


def replace(before: str, after: str) -> Amend:
    """Change a piece of the configuration."""

    def amend(stage: Stage) -> None:
        text = stage.config.read_text()
        assert before in text
        stage.config.write_text(text.replace(before, after))

    return amend


def account(**changes: str) -> Amend:
    """Set keys of the account."""
    return lambda stage: stage.amend(**changes)


def block_storage(stage: Stage) -> None:
    """Put a file where the storage's folder should be."""
    stage.storage.parent.mkdir(parents=True)
    stage.storage.write_text("in the way")


MISTAKES = [
    pytest.param(account(auth_tokn='"x"'), 2, ["auth_tokn", "auth_token", "config.toml:"], id="unknown key"),
    pytest.param(account(concurrency='"many"'), 2, ["concurrency", "number"], id="bad type"),
    pytest.param(
        account(auth_token='{ env = "NOT_SET_ANYWHERE" }'), 2, ["NOT_SET_ANYWHERE", "auth_token"], id="missing secret"
    ),
    pytest.param(account(base_url='"ftp://example.com"'), 2, ["base_url", "http"], id="no http address"),
    pytest.param(account(auth_token='"wrong-token-1234"'), 2, [ACCOUNT, "401"], id="refused credentials"),
    pytest.param(replace("postgresql://", "postgresql://127.0.0.1:9"), 3, ["catalog"], id="unreachable catalog"),
    pytest.param(
        account(base_url='"http://127.0.0.1:9/api/v1"'), 3, [ACCOUNT, "no connection"], id="unreachable provider"
    ),
    pytest.param(block_storage, 3, ["var/recordings", "directory"], id="unwritable storage"),
    pytest.param(replace("file:./var/recordings", "ftp://bucket"), 2, ["storage.url", "s3://"], id="no such storage"),
]


@pytest.mark.parametrize(("amend", "code", "words"), MISTAKES)
async def test_a_mistake_is_named_with_its_fix(stage: Stage, amend: Amend, code: int, words: list[str]) -> None:
    """T6: the message names the key or account, the exit code is the contract's, and nothing was downloaded."""
    stage.amend('[transfer]\nmax_attempts = 2\nbackoff = "1ms"')
    amend(stage)
    plain = await stage.run("backfill")
    assert plain.code == code, plain.stdout + plain.stderr
    said = plain.stdout + plain.stderr
    assert [word for word in words if word not in said] == [], said
    assert "Traceback" not in said
    assert "wrong-token-1234" not in said
    as_json = await stage.run("backfill", "--json")
    assert as_json.code == code
    assert len(as_json.stdout.splitlines()) == 1
    assert await stage.media_requests() == 0


async def test_an_unknown_account_is_named(stage: Stage) -> None:
    """Naming an account that is not configured tells which ones are."""
    answer = await stage.run("backfill", "--account", "nobody", "--json")
    assert answer.code == 2
    error = answer.json["error"]
    assert (error["code"], error["account"]) == ("config", "nobody")
    assert ACCOUNT in error["fix"]


async def test_without_a_configuration_the_places_are_named(tmp_path: Path) -> None:
    """Without any configuration the error says where was looked and what to do."""
    environ = {name: value for name, value in os.environ.items() if name != "ARCHIVER_CONFIG"}
    process = await create_subprocess_exec(
        PROGRAM, "backfill", "--json", cwd=tmp_path, env=environ, stdout=PIPE, stderr=PIPE
    )
    answer = await ended(process)
    assert answer.code == 2
    assert "config.toml" in json.loads(answer.stdout)["error"]["message"]


async def test_an_account_that_points_elsewhere_is_refused(stage: Stage) -> None:
    """A name that stood for another account before is refused before anything is fetched."""
    await stage.run("backfill", "--no-download")
    stage.amend(auth_id='"MA_SOMEBODY_ELSE"')
    answer = await stage.run("backfill", "--json")
    assert answer.code == 2
    assert answer.json["error"]["account"] == ACCOUNT


async def test_a_usage_error_is_json_too(stage: Stage) -> None:
    """With --json also a slip on the command line answers with one JSON object."""
    answer = await stage.run("backfill", "--json", "--wait", "soon")
    assert answer.code == 2
    assert "soon" in answer.json["error"]["message"]


async def test_help_imports_nothing_heavy() -> None:
    """``--help`` answers at once, because nothing heavy is imported for it; each help holds an example."""
    code = (
        "import sys, archiver.app.cli.main as m\n"
        "from click.testing import CliRunner\n"
        "for name in [None, *m.main.list_commands(None)]:\n"
        "    words = ['--help'] if name is None else [name, '--help']\n"
        "    answer = CliRunner().invoke(m.main, words)\n"
        "    assert answer.exit_code == 0 and (name is None or 'Example' in answer.output), name\n"
        "print(*{'aiohttp', 'pydantic', 'asyncpg', 'rich', 'structlog'} & sys.modules.keys())"
    )
    process = await create_subprocess_exec(sys.executable, "-c", code, stdout=PIPE, stderr=PIPE)
    answer = await ended(process)
    assert (answer.code, answer.stdout.strip()) == (0, ""), answer.stderr
