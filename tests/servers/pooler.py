"""PgBouncer in front of the tests' PostgreSQL, in its transaction mode: a process with a socket of its own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PATIENCE_S = 30.0
PORT = 6432
_NOBODY = 65534


def find_pgbouncer() -> str | None:
    """Where PgBouncer is installed, if it is."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def serve_pgbouncer(folder: Path, dsn: str, settings: str = "") -> Iterator[str]:
    """The DSN of the same database through PgBouncer, which has two connections to the server behind ``dsn``."""
    parts = urlsplit(dsn)
    options = {name: values[0] for name, values in parse_qs(parts.query).items()}
    (folder / "users.txt").write_text(f'"{options["user"]}" ""\n', "utf-8")
    (folder / "pgbouncer.ini").write_text(
        f"""
        [databases]
        * = host={options["host"]} port={options.get("port", "5432")}
        [pgbouncer]
        pool_mode = transaction
        default_pool_size = 2
        unix_socket_dir = {folder}
        listen_port = {PORT}
        auth_type = trust
        auth_file = {folder / "users.txt"}
        {settings}
        """.replace("\n        ", "\n"),
        "utf-8",
    )
    with (folder / "server.log").open("wb") as log:
        command = [*_unprivileged(folder), find_pgbouncer() or "pgbouncer", str(folder / "pgbouncer.ini")]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(folder / f".s.PGSQL.{PORT}", folder / "server.log")
        yield f"postgresql:///{parts.path.removeprefix('/')}?host={folder}&port={PORT}&user={options['user']}"
    finally:
        process.kill()
        process.wait()


def _unprivileged(folder: Path) -> list[str]:
    """PgBouncer refuses to run as root; as nobody it must still reach the server's socket."""
    if os.geteuid() != 0:
        return []
    os.chown(folder, _NOBODY, _NOBODY)
    reach = ("--securebits=+no_setuid_fixup", "--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override")
    return ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", *reach]


def _wait_for(address: Path, log: Path) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_at:
        try:
            with socket.socket(socket.AF_UNIX) as one:
                one.connect(str(address))
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"PgBouncer does not answer: {log.read_text('utf-8', 'replace')[-2000:]}")
