"""Where the benchmark's recordings come from: ``python -m tests.bench.origin FOLDER COUNT``.

One process with two servers on loopback: the files, and a listing as Vobiz pages it, whose links lead to them. Files
go out by ``sendfile``, for a fifth of the processor time that ``rclone serve http`` takes for them; GET, HEAD and the
index of a folder are all there is. One JSON line on stdout says where both answer.
"""

import asyncio
import json
import os
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from archiver.sandbox.audio import Encoding, render
from archiver.sandbox.population import Habits, Plan, Population, Recording
from archiver.sandbox.vobiz_documents import Place, Quirks, recording_document

AUTH_ID: Final = "MA_BENCH"
PAGE: Final = 100
LOOPBACK: Final = "127.0.0.1"

SECONDS: Final = (28.0, 32.0)
ENCODINGS: Final = (Encoding.MP3, Encoding.MULAW)
"""Both take 8,000 bytes a second, so half a minute is 240 kB, give or take 16."""


def recordings(count: int) -> list[Recording]:
    """The same ones with the same bytes every time, newest first."""
    plan = Plan(seed=1, count=count, anchor=datetime.now(UTC), audio_seconds=SECONDS)
    return list(Population("bench", plan, Habits(encodings=ENCODINGS)).all_newest_first())


def write_files(folder: Path, listed: Sequence[Recording], place: Place) -> None:
    """Write each body where the path of its link leads to, below ``folder``."""
    for recording in listed:
        link = place.media_url(recording.recording_id, Quirks.of(recording).extension)
        path = folder / urlsplit(link).path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(render(recording.clip))


async def serve(folder: Path, count: int) -> None:
    """Serve until cancelled."""
    files = await asyncio.start_server(partial(_answer, folder), LOOPBACK, 0)
    place = Place(AUTH_ID, f"http://{LOOPBACK}:{files.sockets[0].getsockname()[1]}")
    listed = recordings(count)
    write_files(folder, listed, place)
    runner = web.AppRunner(_listing(listed, place), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, 0).start()
    base_url = f"http://{LOOPBACK}:{runner.addresses[0][1]}/api/v1"
    print(json.dumps({"files": place.media_url("", "").removesuffix("."), "base_url": base_url}), flush=True)
    await asyncio.Event().wait()


async def _answer(folder: Path, reader: StreamReader, writer: StreamWriter) -> None:
    """Answer the requests of one connection."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            method, path, _ = head.decode().split(" ", 2)
            if path.endswith("/"):
                _send_index(writer, method, folder / path.lstrip("/"))
            else:
                await _send_file(writer, method, folder / path.lstrip("/"))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _send_index(writer: StreamWriter, method: str, folder: Path) -> None:
    body = "".join(f'<a href="{name}">{name}</a>\n' for name in os.listdir(folder)).encode()
    writer.write(_head("text/html", len(body)) + (body if method == "GET" else b""))


async def _send_file(writer: StreamWriter, method: str, path: Path) -> None:
    with path.open("rb") as file:
        writer.write(_head("audio/mpeg", os.fstat(file.fileno()).st_size))
        if method == "GET":
            await asyncio.get_running_loop().sendfile(writer.transport, file, fallback=False)


def _head(content_type: str, size_bytes: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {size_bytes}\r\n\r\n".encode()


def _listing(listed: Sequence[Recording], place: Place) -> web.Application:
    now = datetime.now(UTC)
    documents = [recording_document(recording, place, now) for recording in listed]

    async def page(request: web.Request) -> web.Response:
        offset = int(request.query.get("offset", "0"))
        answer = {"api_id": "bench", "meta": _meta(offset, len(documents), place)}
        return web.json_response(answer | {"objects": documents[offset : offset + PAGE]})

    application = web.Application()
    application.router.add_get(f"/api{place.resource_uri()}", page)
    return application


def _meta(offset: int, total: int, place: Place) -> dict[str, Any]:
    behind = offset + PAGE
    link = f"{place.resource_uri()}?limit={PAGE}&offset={behind}" if behind < total else None
    return {"limit": PAGE, "next": link, "offset": offset, "previous": None, "total_count": total}


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
