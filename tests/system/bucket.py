"""A stage whose storage is a bucket: the archiver reaches it through a proxy, the tests through rclone.

rclone is a client that shares nothing with ours. The oracle reads folders: ``mirror`` makes one of the bucket.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from tests.servers.proxy import Proxy, proxied
from tests.servers.s3 import ACCESS_KEY_ID, SECRET_ACCESS_KEY, TOOLS, S3Server
from tests.system.oracle import Row, consult
from tests.system.stage import Answer, Stage

FOLDER: Final = "file:./var/recordings"
PREFIX: Final = "calls"
_S3: Final = """
[storage.s3]
endpoint = "{endpoint}"
access_key_id = "{key}"
secret_access_key = "{secret}"
path_style = true
allow_http = true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A prefix of a bucket, as rclone sees it; ``place`` is ``bucket/prefix``."""

    endpoint: str
    place: str

    async def rclone(self, *words: str, content: bytes = b"") -> bytes:
        """Run rclone, where ``there:`` is the prefix; answers what it said. Raises: RuntimeError."""
        command = [str(TOOLS / "rclone"), *(self._full(word) for word in words), "--config", "", "--retries", "1"]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, env=os.environ | self._environ, stdin=pipe, stdout=pipe, stderr=pipe
        )
        stdout, stderr = await process.communicate(content)
        if process.returncode:
            raise RuntimeError(f"rclone {words[0]} ended with {process.returncode}: {stderr.decode()[-2000:]}")
        return stdout

    async def names(self) -> list[str]:
        """All that lies there, ours under ``.archiver/`` included."""
        return [entry["Path"] for entry in json.loads(await self.rclone("lsjson", "-R", "--files-only", "there:"))]

    async def put(self, name: str, content: bytes) -> None:
        """Put an object, over whatever lies there."""
        await self.rclone("rcat", f"there:{name}", content=content)

    async def uploads(self) -> list[str]:
        """The ids of the multipart uploads that are under way."""
        found = json.loads(await self.rclone("backend", "list-multipart-uploads", "there:"))
        return [upload["UploadId"] for uploads in found.values() for upload in uploads or ()]

    def _full(self, word: str) -> str:
        return word.replace("there:", f"there:{self.place}/")

    @property
    def _environ(self) -> dict[str, str]:
        options = {
            "TYPE": "s3",
            "PROVIDER": "Other",
            "ENDPOINT": self.endpoint,
            "ACCESS_KEY_ID": ACCESS_KEY_ID,
            "SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "NO_CHECK_BUCKET": "false",
        }
        return {f"RCLONE_CONFIG_THERE_{key}": value for key, value in options.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A stage, the proxy that its archiver talks to, and the bucket behind it."""

    stage: Stage
    proxy: Proxy
    remote: Remote

    async def backfill(self) -> Answer:
        """A pass that leaves nothing undone."""
        answer = await self.stage.run("backfill", "--json")
        assert answer.code == 0, answer.stdout + answer.stderr
        return answer

    async def mirror(self) -> None:
        """Make the stage's folder what the bucket is."""
        await self.remote.rclone("sync", "there:", str(self.stage.storage))

    async def consult(self, *, is_done: bool = True) -> list[Row]:
        """Ask the oracle about the bucket (O1 to O5)."""
        await self.mirror()
        return await consult(self.stage, is_done=is_done)

    def spooled(self) -> list[str]:
        """The bodies that wait in the spool."""
        return [path.name for path in (self.stage.folder / "var" / "spool").iterdir()]


@asynccontextmanager
async def shop_on(stage: Stage, server: S3Server) -> AsyncIterator[Shop]:
    """Point a stage to a fresh bucket of a server, through a proxy."""
    bucket = f"bucket-{uuid4().hex[:12]}"
    remote = Remote(endpoint=server.endpoint, place=f"{bucket}/{PREFIX}")
    await remote.rclone("mkdir", "there:")
    async with proxied(server.endpoint) as proxy:
        stage.config.write_text(stage.config.read_text().replace(FOLDER, f"s3://{remote.place}"))
        stage.amend(_S3.format(endpoint=proxy.endpoint, key=ACCESS_KEY_ID, secret=SECRET_ACCESS_KEY))
        yield Shop(stage=stage, proxy=proxy, remote=remote)
