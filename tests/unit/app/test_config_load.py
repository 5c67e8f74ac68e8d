"""Finding the file, and what its values become."""

from dataclasses import FrozenInstanceError
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from archiver.app.config.expression import Every
from archiver.app.config.load import Config, find_config, load
from archiver.app.config.values import Address, Bucket
from archiver.model.errors import ConfigError
from tests.unit.app.alpha import ACCOUNT
from tests.unit.app.conftest import Load


def test_named_file_wins(tmp_path: Path) -> None:
    """``--config`` beats ``$ARCHIVER_CONFIG``, which beats ``./config.toml``; a named file need not be there."""
    (tmp_path / "config.toml").touch()
    environ = {"ARCHIVER_CONFIG": "named.toml"}
    assert find_config(Path("option.toml"), environ, tmp_path) == tmp_path / "option.toml"
    assert find_config(None, environ, tmp_path) == tmp_path / "named.toml"
    assert find_config(None, {"ARCHIVER_CONFIG": ""}, tmp_path) == tmp_path / "config.toml"


def test_nothing_found(tmp_path: Path) -> None:
    """Without any file the error says where was looked, and what to do."""
    with pytest.raises(ConfigError) as caught:
        find_config(None, {}, tmp_path)
    for place in ("--config", "ARCHIVER_CONFIG", str(tmp_path / "config.toml"), "/etc/archiver/config.toml"):
        assert place in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[log]\nlevel = !\n", "config.toml:2:9: this is not TOML"),
        (b"[log", "this is not TOML"),
    ],
)
def test_unreadable(tmp_path: Path, content: bytes | None, told: str) -> None:
    """A file that cannot be read or parsed is named, with line and column where they are known."""
    path = tmp_path / "config.toml"
    if content:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=told) as caught:
        load(path, {})
    assert str(path) in str(caught.value)
    assert caught.value.fix


def test_defaults(load_text: Load, tmp_path: Path) -> None:
    """A file with nothing but an account has the contract's defaults, with paths beside the file."""
    config = load_text("")
    assert config.catalog.embedded_path == tmp_path / "var/catalog"
    assert config.storage.directory == tmp_path / "var/recordings"
    assert config.storage.bucket is None
    assert config.transfer.spool == tmp_path / "var/spool"
    assert config.ops.listen == Address("127.0.0.1", 8321)
    assert config.schedule.timezone is UTC
    assert (config.log.level, config.log.format) == ("info", "auto")


def test_a_byte_order_mark_is_no_content(load_text: Load) -> None:
    """Editors that write a byte order mark do no harm."""
    assert load_text("\ufeff[log]\nlevel = 'debug'\n").log.level == "debug"


def _at(config: Config, path: str) -> Any:
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value.reveal() if hasattr(value, "reveal") else value


@pytest.mark.parametrize(
    ("table", "line", "path", "value"),
    [
        ("catalog", 'dsn = "postgresql://u:p@h/d"', "catalog.dsn", "postgresql://u:p@h/d"),
        ("catalog", 'dsn = "postgresql://u@h/d"', "catalog.embedded_path", None),
        ("catalog", 'dsn = "embedded:/srv/pg"', "catalog.embedded_path", Path("/srv/pg")),
        ("catalog", 'dsn = { env = "DSN" }', "catalog.dsn", "postgres://h/d"),
        ("catalog", 'listen_dsn = "postgres://h/d"', "catalog.listen_dsn", "postgres://h/d"),
        ("storage", 'url = "file:/srv/a"', "storage.directory", Path("/srv/a")),
        ("storage", 'url = "file:///srv/a"', "storage.directory", Path("/srv/a")),
        ("storage", 'url = "s3://my-bucket/a/b/"', "storage.bucket", Bucket("my-bucket", "a/b")),
        ("storage", 'url = "s3://my-bucket"', "storage.bucket", Bucket("my-bucket", "")),
        ("storage", 'file_mode = "0600"', "storage.file_mode", 0o600),
        ("storage", 'min_free = "8MiB"', "storage.min_free", 8 * 2**20),
        ("storage.s3", 'tags = { a = "b" }', "storage.s3.tags", {"a": "b"}),
        ("storage.s3", 'retain = "7y"\nobject_lock = "COMPLIANCE"', "storage.s3.retain", timedelta(days=7 * 365)),
        ("storage.s3", 'endpoint = "http://h:1"\nallow_http = true', "storage.s3.endpoint", "http://h:1"),
        ("transfer", 'lease = "2s"', "transfer.lease", timedelta(seconds=2)),
        ("transfer", 'bandwidth = "0"', "transfer.bandwidth", 0),
        ("schedule", 'walk = "every 5m"', "schedule.walk", Every(timedelta(minutes=5))),
        ("schedule", 'timezone = "Europe/Berlin"', "schedule.timezone", ZoneInfo("Europe/Berlin")),
        ("ops", 'listen = ""', "ops.listen", None),
        ("ops", 'listen = "80"', "ops.listen", Address("127.0.0.1", 80)),
        ("ops", 'listen = ":0"', "ops.listen", Address("127.0.0.1", 0)),
        ("ops", 'listen = "[::1]:80"', "ops.listen", Address("::1", 80)),
        ("ops", 'listen = "0.0.0.0:80"\ntoken = "t"', "ops.listen", Address("0.0.0.0", 80)),
        ("notify", 'webhook = "https://h/x"', "notify.webhook", "https://h/x"),
        ("notify", 'heartbeat = "http://127.0.0.1:1/x"', "notify.heartbeat", "http://127.0.0.1:1/x"),
    ],
)
def test_values(load_text: Load, table: str, line: str, path: str, value: object) -> None:
    """Each kind of value becomes what the program works with."""
    assert _at(load_text(f"[{table}]\n{line}\n", DSN="postgres://h/d"), path) == value


def test_frozen(load_text: Load) -> None:
    """What was read can't be changed, tags included."""
    config = load_text('[storage.s3]\ntags = { a = "b" }')
    with pytest.raises(FrozenInstanceError):
        config.log.level = "debug"  # type: ignore[misc]  # the point of the test
    with pytest.raises(TypeError):
        config.storage.s3.tags["c"] = "d"  # type: ignore[index]  # the point of the test


def test_the_order_of_accounts_is_that_of_the_file(load_text: Load) -> None:
    """Accounts come as written, and those not enabled are kept and marked."""
    config = load_text("", ACCOUNT + ACCOUNT.replace("acme", "a-second") + "enabled = false\n")
    assert [(one.account.name, one.account.enabled) for one in config.accounts] == [("acme", True), ("a-second", False)]
