"""What the catalog's server says of itself, and whether the archiver can work on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from archiver.catalog.pool import open_connection
from archiver.model.errors import CatalogError

_OLDEST: Final = 15
_RESERVED: Final = 3
"""Connections that PostgreSQL keeps for its superuser."""

_FACTS: Final = """
SELECT clock_timestamp() AS now,
       split_part(current_setting('server_version'), ' ', 1) AS version,
       current_setting('server_version_num')::integer / 10000 AS major,
       current_setting('max_connections')::integer AS connections,
       current_setting('transaction_read_only')::boolean AS is_read_only,
       to_regclass('schema_migrations') IS NULL AS is_empty,
       coalesce(has_table_privilege(to_regclass('recordings'), 'UPDATE'),
                has_schema_privilege(current_schema(), 'CREATE'), false) AS may_write
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The facts. ``major`` is its version as a number, ``connections`` how many it takes.

    ``may_write`` is about the recordings, or about the schema where there are none yet.
    """

    now: datetime
    version: str
    major: int
    connections: int
    is_read_only: bool
    is_empty: bool
    may_write: bool

    def troubles(self, connections: int) -> Iterator[CatalogError]:
        """Why the archiver, with so many connections of its own, could not work on this server."""
        if self.major < _OLDEST:
            fix = f"upgrade the server to PostgreSQL {_OLDEST} or newer"
            yield CatalogError(f"PostgreSQL {self.version} is too old", fix=fix)
        if self.is_read_only:
            fix = "let catalog.dsn name the primary server, and a database that may be written"
            yield CatalogError("the server is read-only, as a standby is", fix=fix)
        elif not self.may_write:
            fix = "let the user of catalog.dsn own the database, or grant it CREATE on the schema"
            yield CatalogError("the user of catalog.dsn may not write there", fix=fix)
        if connections > self.connections - _RESERVED:
            message = f"the server takes {self.connections} connections, too few for {connections} of ours"
            yield CatalogError(message, fix="lower catalog.pool_size, or raise max_connections of the server")


async def ask_server(dsn: str) -> Server:
    """Ask it. Raises: CatalogUnavailable, CatalogError; ConfigError for a DSN that cannot be read."""
    async with open_connection(dsn) as connection:
        (row,) = await connection.fetch(_FACTS)
    return Server(**row)
