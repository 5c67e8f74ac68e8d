"""The named queries and the schema's own rules."""

import re
from importlib.resources import files
from itertools import product

import asyncpg
import pytest

from archiver.catalog.migrate import migrations_folder
from archiver.catalog.pool import Connection, open_connection
from archiver.catalog.postgres import Catalog
from archiver.catalog.queries import FILES, load
from archiver.model.recording import State, may_follow
from tests.builders import ACCOUNT, make_listed, make_page, make_walk_request

QUERIES = [(file, name) for file in FILES for name in load(file)]


@pytest.mark.parametrize(("file", "name"), QUERIES)
async def test_a_query_fits_the_schema(catalog_dsn: str, file: str, name: str) -> None:
    """Every named query can be prepared, begins with what it does, and names each of its parameters."""
    query = load(file)[name]
    comment = "\n".join(line for line in query.splitlines() if line.startswith("--"))
    async with open_connection(catalog_dsn) as connection:
        parameters = (await connection.prepare(query)).get_parameters()
    named = {int(number) for number in re.findall(r"\$(\d+)", comment)}
    assert comment
    assert named == set(range(1, len(parameters) + 1))


def test_every_file_is_loaded() -> None:
    """No file of queries is left out of the tests above."""
    found = {path.name for path in files("archiver.catalog").joinpath("sql").iterdir()}
    assert found == {f"{file}.sql" for file in FILES}


def test_no_index_names_what_claims_write() -> None:
    """Claims and renewals touch no index: none names the columns that they write."""
    schema = (migrations_folder() / "0001_recordings.sql").read_text()
    indexes = re.findall(r"CREATE INDEX \w+ ON recordings[^;]*;", schema)
    assert indexes
    assert not [index for index in indexes if re.search(r"lease|pass_", index)]


async def _make_one(catalog: Catalog) -> None:
    await catalog.enrol(ACCOUNT, "vobiz", "MA_1")
    walk = await catalog.begin_walk(make_walk_request())
    await catalog.record(walk.id, make_page(make_listed()))


async def test_states_follow_the_model(catalog: Catalog, catalog_dsn: str) -> None:
    """The schema lets a state follow another exactly where the model does."""
    await _make_one(catalog)
    async with open_connection(catalog_dsn) as connection:
        await connection.execute(
            "UPDATE recordings SET key = 'k', format = 'mp3', size_bytes = 1, sha256 = sha256(''), "
            "storage_url = 'u', stored_at = now(), suspect = 'too short'"
        )
        allowed = {pair for pair in product(State, State) if await _may_go(connection, *pair)}
    assert allowed == {(before, after) for before, after in product(State, State) if may_follow(before, after)} | {
        (state, state) for state in State
    }


async def _may_go(connection: Connection, before: State, after: State) -> bool:
    await connection.execute("ALTER TABLE recordings DISABLE TRIGGER states_follow")
    await connection.execute("UPDATE recordings SET state = $1", before)
    await connection.execute("ALTER TABLE recordings ENABLE TRIGGER states_follow")
    try:
        await connection.execute("UPDATE recordings SET state = $1", after)
    except asyncpg.RaiseError:
        return False
    return True


@pytest.mark.parametrize(
    "change",
    ["UPDATE events SET name = 'x'", "DELETE FROM events", "TRUNCATE events", "DELETE FROM recordings"],
)
async def test_history_cannot_be_changed(catalog: Catalog, catalog_dsn: str, change: str) -> None:
    """Events are only ever added, and a recording's row outlives everything."""
    await _make_one(catalog)
    async with open_connection(catalog_dsn) as connection:
        with pytest.raises(asyncpg.RaiseError, match="kept for ever"):
            await connection.execute(change)


async def test_an_object_backs_what_is_stored(catalog: Catalog, catalog_dsn: str) -> None:
    """No recording can be called stored without key, digest and size (O4)."""
    await _make_one(catalog)
    async with open_connection(catalog_dsn) as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("UPDATE recordings SET state = 'stored'")
