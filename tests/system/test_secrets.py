"""Canaries: every secret is a string that is nowhere else, and after a bad day it is looked for everywhere (S5, S6)."""

import asyncio
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import pytest
from aiohttp import web

from archiver.catalog.pool import open_connection
from tests.system.stage import PROGRAM, Stage, ended, staged
from tests.system.test_politeness import PROVIDERS, SHORT, THREE, Proxy, account_of, amend, proxy

SECRETS = frozenset({"auth_token", "api_key", "password", "client_secret", "access_token"})
CARRIERS = frozenset({"authorization", "x-auth-token", "proxy-authorization"})
PROXY_PASSWORD = "canary-proxy-5a1b9c"
DSN_PASSWORD = "canary-dsn-77e0d2"
PLACES = "on=list+media+retrieve"
FAULTS = (
    f"unauthorized:share=0.1,times=1,{PLACES}",
    f"json:share=0.1,times=1,{PLACES}",
    f"html:share=0.1,times=1,{PLACES}",
    f"status:code=403,share=0.1,times=1,{PLACES}",
    f"no_answer:share=0.1,times=1,{PLACES}",
    f"cut:framing=close,share=0.1,times=1,{PLACES}",
    "expired:share=0.1,times=1,on=media",
    "redirect:share=0.15,times=1",
    "redirect:to=userinfo,share=0.1,times=1",
    "malformed_row:share=0.1,times=1",
    "strange_envelope:share=0.1,times=1",
)


@dataclass
class Gossip(Proxy):
    """A proxy that remembers every credential that it sees, and repeats it in errors of its own.

    Every fifth request is answered by it: with a failure whose body, headers and request id hold what was sent.
    """

    canaries: set[str] = field(default_factory=set)

    async def pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        """Ask who was meant, or repeat."""
        carried = [value for name, value in request.headers.items() if name.lower() in CARRIERS]
        self.canaries.update(value.split()[-1] for value in carried)
        sent = (await request.read()).decode()
        if len(self.passages) % 5 == 4 and not sent:
            self.passages.append(self.passages[-1])
            return _repeat(request, carried, is_html=len(self.passages) % 2 == 0)
        self.canaries.update(parse_qs(sent).get("refresh_token", ()))
        return await super().pass_on(request)


def _repeat(request: web.BaseRequest, carried: list[str], *, is_html: bool) -> web.Response:
    words = " ".join([*carried, *(f"{request.url}?token={value}" for value in carried)])
    headers = {"X-Request-Id": carried[0].split()[-1]} if carried else {}
    if is_html:
        text = f"<html><body><h1>502</h1><p>{words}</p></body></html>"
        return web.Response(status=502, text=text, headers=headers, content_type="text/html")
    return web.json_response({"error": words, "api_id": carried[0] if carried else "", "message": words}, status=500)


def _configured(stage: Stage) -> set[str]:
    """The secrets that stand in the configuration."""
    settings = [one for account in stage.ready["accounts"].values() for one in account.items()]
    return {value for name, value in settings if name in SECRETS} | {PROXY_PASSWORD, DSN_PASSWORD}


def _found(canaries: Iterable[str], text: str) -> list[str]:
    return [canary for canary in canaries if canary in text]


async def _catalog(dsn: str) -> str:
    """Every row of every table, as text."""
    async with open_connection(dsn) as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = [table["tablename"] for table in tables]
        assert {"recordings", "events", "accounts"} <= set(names)
        rows = [row[0] for name in names for row in await connection.fetch(f'SELECT t::text FROM "{name}" t')]
    return "\n".join(rows)


def _with_password(dsn: str) -> str:
    """The DSN with a password, which a server that trusts its socket never asks for."""
    parts = urlsplit(dsn)
    user = parse_qs(parts.query)["user"][0]
    return urlunsplit(parts._replace(netloc=f"{user}:{DSN_PASSWORD}@"))


async def test_no_secret_is_seen_anywhere(tmp_path: Path, catalog_dsn: str) -> None:
    """S5: after runs at debug level in which requests were refused, broken, redirected, and answered with errors that
    repeat what was sent, no secret and no token is in any output, in the catalog, or in any file but the
    configuration; no phone number is in a log."""
    faults = [word for fault in FAULTS for word in ("--fault", fault)]
    options = (*THREE, "--recordings", "16", *SHORT, *faults)
    async with staged(tmp_path, _with_password(catalog_dsn), *options) as stage, proxy(Gossip) as between:
        stage.amend('[transfer]\nbackoff = "1ms"\nidle_timeout = "1s"\n')
        for name in PROVIDERS:
            amend(stage, name, proxy=f'"http://us:{PROXY_PASSWORD}@127.0.0.1:{between.port}"')
        words = [["backfill", "--json"], ["backfill"], ["check"], ["status"], ["ls", "--json", "--all"], ["ls"]]
        answers = [await stage.run(*command, "--log-level", "debug") for command in words]
        rows = answers[4].lines
        shown = [f"{row['account']}/{row['recording_id']}" for row in rows[:3]]
        answers += [await stage.run("show", one, "--json") for one in shown]
        canaries = _configured(stage) | between.canaries
    assert len(rows) > 25
    assert len(between.canaries) >= 5, "tokens were issued, and renewed"
    for command, answer in zip([*words, *(["show"] for _ in shown)], answers, strict=True):
        assert not _found(canaries, answer.stdout + answer.stderr), command
    logged = "".join(answer.stderr for answer in answers)
    assert "answered 500" in logged
    assert not _found({row[name] for row in rows for name in ("from_number", "to_number") if row[name]}, logged)
    assert not _found(canaries, await _catalog(catalog_dsn))
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path != stage.config]
    assert len(files) > 40
    for path in files:
        assert not _found(canaries, path.read_bytes().decode("latin-1")), path


WRONG = {"vobiz": ("auth_token", 32), "vonage_vbc": ("password", 24), "kazoo": ("api_key", 64)}


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_wrong_secret_is_not_repeated(tmp_path: Path, catalog_dsn: str, provider: str) -> None:
    """S5: a login that is refused names the account and the fix, and not what was tried, even where the provider does
    (a wrong API key comes back in Kazoo's answer)."""
    key, length = WRONG[provider]
    canary = "canary".ljust(length, "7")
    async with staged(tmp_path, catalog_dsn, "--provider", provider, "--recordings", "3", *SHORT) as stage:
        amend(stage, provider, **{key: f'"{canary}"'})
        answers = [await stage.run(word, "--log-level", "debug") for word in ("backfill", "check")]
    assert [answer.code for answer in answers] == [2, 2]
    for answer in answers:
        assert account_of(provider) in answer.stdout + answer.stderr
        assert canary[:16] not in answer.stdout + answer.stderr


def _processes(root: int) -> list[int]:
    """A process and all that came from it, as far as they still hang together."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):  # it ended meanwhile
            continue
    family, size = {root}, 0
    while size < len(family):
        size = len(family)
        family |= {child for child, parent in parents.items() if parent in family}
    return sorted(family)


def _listening(processes: Iterable[int]) -> list[str]:
    """The addresses, as the kernel writes them, at which any of these listens by TCP."""
    inodes = set()
    for number in processes:
        for link in Path(f"/proc/{number}/fd").glob("*"):
            try:
                inodes.update(re.findall(r"socket:\[(\d+)\]", os.readlink(link)))
            except OSError:  # closed meanwhile
                continue
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return [line[1] for line in lines if line[3] == "0A" and line[9] in inodes]


async def _server_of(stage: Stage) -> int:
    """The process of the embedded server, once it serves: while it is made its file holds a negative number."""
    folder = stage.folder / "var" / "catalog"
    async with asyncio.timeout(stage.within_s):
        while True:
            lines = [line for path in folder.rglob("postmaster.pid") for line in path.read_text().splitlines()[:1]]
            if lines and int(lines[0]) > 0:
                return int(lines[0])
            await asyncio.sleep(0.05)


async def test_processes_tell_and_offer_nothing(tmp_path: Path) -> None:
    """S5, S6: with an embedded catalog and a secret from the environment, no process that was started shows a secret
    in its arguments or got it into its environment, and none listens anywhere but on a socket in a folder."""
    async with staged(tmp_path, "embedded:./var/catalog", "--recordings", "60", *SHORT) as stage:
        secret = stage.ready["accounts"]["sandbox-vobiz"]["auth_token"]
        stage.amend(auth_token='{ env = "CANARY" }', rate_limit='"10/s"')
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            "backfill",
            "--config",
            str(stage.config),
            env={**os.environ, "CANARY": secret},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        server = await _server_of(stage)
        await stage.until_served(3)
        family = sorted({*_processes(process.pid), *_processes(server)})
        assert len(family) > 4, "the server and its own are among them"
        listening = _listening(family)
        arguments = {number: Path(f"/proc/{number}/cmdline").read_text() for number in family}
        others = [number for number in family if number != process.pid]
        environments = {number: Path(f"/proc/{number}/environ").read_text() for number in others}
        process.terminate()
        await ended(process)
    assert listening == []
    assert not [number for number, text in (arguments | environments).items() if secret in text]


async def test_the_sandbox_listens_on_loopback_only(tmp_path: Path) -> None:
    """S6: the sandbox providers answer this machine alone."""
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "sandbox", *THREE, "--recordings", "1", cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    json.loads(await process.stdout.readline())
    listening = _listening(_processes(process.pid))
    process.terminate()
    await process.wait()
    assert listening
    assert all(address.startswith("0100007F:") for address in listening)
