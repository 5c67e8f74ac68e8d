"""The roles of ``deploy/sql`` on a real PostgreSQL: the service works, and can take back nothing that was recorded."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from archiver.catalog.migrate import migrate
from archiver.catalog.pool import open_connection
from tests.system.oracle import consult
from tests.system.stage import staged

SQL: Final = Path(__file__).parents[2] / "deploy" / "sql"


@dataclass(frozen=True)
class Roles:
    """The DSNs of both roles."""

    owner: str
    service: str


@pytest.fixture
async def roles(server_dsn: str) -> AsyncIterator[Roles]:
    """Both roles and their database, made by ``deploy/sql`` under names of the test's own."""
    name = f"a{uuid4().hex[:12]}"
    server = urlsplit(server_dsn)
    query = re.sub(r"user=[^&]+", "user={user}", server.query)
    dsn = f"{server.scheme}://{server.netloc}/{name}?{query}"
    made = Roles(dsn.format(user=f"{name}_owner"), dsn.format(user=name))
    async with open_connection(server_dsn) as administrator:
        for statement in _statements("roles.sql", name):
            await administrator.execute(statement)
        try:
            await migrate(made.owner)
            async with open_connection(made.owner) as owner:
                for statement in _statements("grants.sql", name):
                    await owner.execute(statement)
            yield made
        finally:
            await administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
            await administrator.execute(f"DROP ROLE {name}, {name}_owner")


def _statements(file: str, name: str) -> list[str]:
    """The statements of a file, with another name for everything that is called archiver."""
    text = re.sub(r"--.*", "", (SQL / file).read_text("utf-8"))
    renamed = re.sub(r"\barchiver(?=\b|_owner\b)", name, text)
    return [statement for part in renamed.split(";") if (statement := part.strip())]


async def test_the_service_role_archives(roles: Roles, tmp_path: Path) -> None:
    """With manual migrations, the service's role does all of a backfill and a verification."""
    options = ("--recordings", "12", "--audio-seconds", "1", "--late-arrivals", "0")
    async with staged(tmp_path, roles.service, *options) as stage:
        text = stage.config.read_text()
        stage.config.write_text(text.replace("[catalog]\n", '[catalog]\nmigrate = "manual"\n', 1))
        for command in (("backfill",), ("verify", "--all"), ("backfill",)):
            answer = await stage.run(*command)
            assert answer.code == 0, answer.stderr
        assert len(await consult(stage)) == 12


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET name = 'other'",
        "DELETE FROM events",
        "TRUNCATE events",
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "DROP TABLE events",
        "DELETE FROM recordings",
        "DELETE FROM schema_migrations",
        "CREATE TABLE extra ()",
    ],
)
async def test_the_service_role_takes_back_nothing(roles: Roles, statement: str) -> None:
    """History, recordings and schema are out of the service's reach, even with its password."""
    async with open_connection(roles.service) as service:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(statement)
