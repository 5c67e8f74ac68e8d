"""The rules of ``deploy/container``: no root, no secrets, nothing writable, and a configuration that loads."""

import os
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]

from archiver.app.config.load import load

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "deploy" / "container"
CONTAINERFILE: Final = (FOLDER / "Containerfile").read_text("utf-8")
USER: Final = "10001:10001"
OURS: Final = ("archiver", "backfill", "demo")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file."""
    return dict(yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8")))


def test_containerfile() -> None:
    """S7: stages over a base that can be chosen; a numeric user; a PID 1 that reaps; liveness; labels."""
    instructions = re.sub(r"\\\n", "", CONTAINERFILE)
    assert len(re.findall(r"^FROM \$\{(BASE|BUILDER)\}", instructions, flags=re.MULTILINE)) == 2
    last = instructions.rpartition("\nFROM ")[2]
    assert f"\nUSER {USER}\n" in last
    assert last.index("\nUSER ") > last.rindex("\nRUN ")
    assert 'ENTRYPOINT ["tini", "--", "archiver"]' in last
    assert re.search(r'^HEALTHCHECK .*"/healthz"\]$', last, flags=re.MULTILINE)
    assert "org.opencontainers.image.licenses" in last


def test_nothing_secret_gets_in() -> None:
    """S5: only what is named is copied, no argument or variable holds a secret, and everything installed is hashed."""
    copied = re.findall(r"^COPY (?:--chmod=\d+ )?(?!--from)(.+) \S+$", CONTAINERFILE, flags=re.MULTILINE)
    assert not {word for line in copied for word in line.split()} & {".", "./", "*"}
    assert not re.search(r"^(ARG|ENV).*(token|secret|password)", CONTAINERFILE, flags=re.MULTILINE | re.IGNORECASE)
    for line in re.findall(r"pip install (.+?)(?:\n| &&)", CONTAINERFILE):
        assert "--require-hashes" in line or "--no-deps dist/" in line


def test_the_context_is_a_list_of_what_is_allowed() -> None:
    """The build sees what it copies and nothing else, for every builder."""
    ours = (ROOT / ".containerignore").read_text("utf-8")
    assert ours == (FOLDER / "Containerfile.dockerignore").read_text("utf-8")
    lines = [line for line in ours.splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    for name in (line[1:] for line in lines if line.startswith("!")):
        assert (ROOT / name).exists()
        assert name in CONTAINERFILE


@pytest.mark.parametrize("name", OURS)
def test_services_are_confined(compose: dict[str, Any], name: str) -> None:
    """S7: each of ours runs as the numeric user, root read-only, without capabilities, in its own profile."""
    service = compose["services"][name]
    assert (service["user"], service["read_only"], service["cap_drop"]) == (USER, True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["profiles"] == ["daemon" if name == "archiver" else name]
    assert int(service["stop_grace_period"].removesuffix("s")) > 30


def test_secrets_are_files(compose: dict[str, Any]) -> None:
    """S5: every secret is a file, no variable holds one, and the script makes each."""
    script = (FOLDER / "secrets.sh").read_text("utf-8")
    for name, secret in compose["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
        assert f"keep {name} " in script
    for service in compose["services"].values():
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
        for key, value in service.get("environment", {}).items():
            assert not re.search("TOKEN|SECRET|PASSWORD", key) or value.startswith("/run/secrets/")


def test_nothing_is_published_beyond_this_host(compose: dict[str, Any]) -> None:
    """S6: only the endpoint is published, on loopback; catalog and storage are on a network of their own."""
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:8321:8321"]
    assert compose["networks"]["stores"]["internal"] is True
    assert compose["services"]["postgres"]["networks"] == compose["services"]["s3"]["networks"] == ["stores"]


def test_the_configuration_loads(compose: dict[str, Any], tmp_path: Path) -> None:
    """T6: the configuration is valid, and asks for no secret that the daemon is not given."""
    text = (FOLDER / "config.toml").read_text("utf-8")
    for name in compose["services"]["archiver"]["secrets"]:
        content = "postgresql://archiver:x@postgres/archiver" if name == "catalog_dsn" else "made-up"
        (tmp_path / name).write_text(content)
    asked = set(re.findall(r'"/run/secrets/(\w+)"', text))
    assert asked == set(compose["services"]["archiver"]["secrets"])
    path = tmp_path / "config.toml"
    path.write_text(text.replace("/run/secrets", str(tmp_path)))
    assert [account.account.name for account in load(path, {}).accounts] == ["acme-india"]


class _Daemon(BaseHTTPRequestHandler):
    """Well for whoever has the token."""

    def do_GET(self) -> None:
        is_let_in = self.headers.get("Authorization") == "Bearer made-up"
        self.send_response(200 if is_let_in and self.path == "/healthz" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_probe(tmp_path: Path) -> None:
    """The probe asks with the daemon's token, and fails on anything but 200."""
    token = tmp_path / "token"
    token.write_text("made-up\n")
    with HTTPServer(("127.0.0.1", 0), _Daemon) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        given = {"ARCHIVER_OPS_PORT": str(server.server_port), "ARCHIVER_OPS_TOKEN_FILE": str(token)}
        codes = [_probe(path, given) for path in ("/healthz", "/readyz")]
        server.shutdown()
    assert [*codes, _probe("/healthz", given)] == [0, 1, 1]


def _probe(path: str, given: dict[str, str]) -> int:
    command = [sys.executable, "-I", str(FOLDER / "probe.py"), path]
    return subprocess.run(command, check=False, env={**os.environ, **given}, capture_output=True).returncode


@pytest.mark.parametrize("lock", ["requirements.lock", "build.lock"])
def test_locks_agree(lock: str) -> None:
    """What is installed is what was tested: each entry, with its hashes, is one of the main lock; no address in it."""
    tested = _entries(ROOT / "requirements.lock")
    for name, entry in _entries(ROOT / "deploy" / lock).items():
        assert tested[name] == entry
    assert "://" not in (ROOT / "deploy" / lock).read_text("utf-8")


def _entries(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes by name."""
    found = {}
    for entry in re.split(r"\n(?=\w)", path.read_text("utf-8")):
        name, version = re.match(r"([\w.-]+)==([\w.]+)", entry).groups()  # type: ignore[union-attr]
        found[name] = (version, frozenset(re.findall(r"sha256:\w+", entry)))
    return found
