"""What all rounds of the benchmark share: the origin's process, and a catalog's server that is up before any clock."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from archiver.catalog.embedded import embedded_server
from archiver.catalog.migrate import migrate
from archiver.catalog.pool import open_connection
from tests.bench.origin import AUTH_ID

CONCURRENCY: Final = 32
_CONFIG: Final = """\
[catalog]
dsn = "{dsn}"

[storage]
url = "file:{storage}"
sidecar = {sidecar}

[transfer]
concurrency = {concurrency}

[accounts.bench]
provider = "vobiz"
base_url = "{base_url}"
auth_id = "{auth_id}"
auth_token = "made up"
allow_http = true
allow_private_hosts = true
rate_limit = "100000/s"
burst = 1000
concurrency = {concurrency}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a benchmark takes place: ``count`` recordings at ``files_url`` behind the listing at ``base_url``."""

    folder: Path
    count: int
    files_url: str
    base_url: str
    server_dsn: str

    @property
    def target(self) -> Path:
        """Where a round copies to, on the disk that the files and the catalog lie on."""
        return self.folder / "target"

    @property
    def config(self) -> Path:
        """The archiver's configuration for the round."""
        return self.folder / "config.toml"

    @property
    def log(self) -> Path:
        """What a command said while it ran."""
        return self.folder / "log"

    @property
    def paths(self) -> list[str]:
        """The path of each file at the file server."""
        folder = self.folder / "media" / urlsplit(self.files_url).path.lstrip("/")
        return [f"/{path.relative_to(self.folder / 'media')}" for path in folder.iterdir()]

    @property
    def size_bytes(self) -> int:
        """All recordings together."""
        return sum((self.folder / "media" / path.lstrip("/")).stat().st_size for path in self.paths)

    def clear(self) -> None:
        """Empty the target."""
        shutil.rmtree(self.target, ignore_errors=True)

    async def prepare(self, *, has_sidecars: bool) -> None:
        """A fresh database with the schema in it, an empty target, and a configuration that names both."""
        self.clear()
        async with open_connection(self.server_dsn) as connection:
            await connection.execute("DROP DATABASE IF EXISTS round WITH (FORCE)")
            await connection.execute("CREATE DATABASE round")
        dsn = self.server_dsn.replace("/archiver?", "/round?")
        await migrate(dsn)
        text = _CONFIG.format(
            dsn=dsn,
            storage=self.target,
            sidecar=str(has_sidecars).lower(),
            concurrency=CONCURRENCY,
            base_url=self.base_url,
            auth_id=AUTH_ID,
        )
        self.config.write_text(text)


@asynccontextmanager
async def scene(folder: Path, count: int) -> AsyncIterator[Scene]:
    """Make the recordings, serve them, and run a catalog's server for as long as the context is open."""
    command = [sys.executable, "-m", "tests.bench.origin", str(folder / "media"), str(count)]
    origin = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: ASYNC220
    try:
        assert origin.stdout is not None
        ready = json.loads(await asyncio.to_thread(origin.stdout.readline))
        async with embedded_server(folder / "catalog") as dsn:
            yield Scene(
                folder=folder, count=count, files_url=ready["files"], base_url=ready["base_url"], server_dsn=dsn
            )
    finally:
        origin.kill()
        origin.wait()
