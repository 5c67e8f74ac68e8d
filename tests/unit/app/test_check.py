"""What a check concludes from what it sees."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from archiver.app.check.findings import Finding, configuration_problems, exit_code, problem
from archiver.app.check.folders import require_embedded, require_folder
from archiver.app.check.looks import bounded, judge_clock
from archiver.catalog.server import Server
from archiver.model.errors import (
    ArchiverError,
    CatalogError,
    CatalogUnavailable,
    ConfigError,
    Denied,
    ListingError,
    Permanent,
    StorageError,
    Throttled,
    Transient,
    Unreachable,
)
from tests.unit.app.conftest import Refusal

FINE = Finding(where="accounts.a", message="credentials accepted")


def found(where: str, kind: type[ArchiverError]) -> Finding:
    """A problem of this kind."""
    return problem(where, kind("something is wrong"))


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([FINE], 0),
        ([FINE, found("clock", ArchiverError)], 1),
        ([FINE, found("accounts.b", Denied)], 1),
        ([FINE, found("accounts.b", Unreachable)], 1),
        ([found("accounts.b", ListingError)], 1),
        ([found("accounts.a", Denied), found("accounts.b", Denied)], 2),
        ([found("accounts.a", Denied), found("accounts.b", Unreachable)], 3),
        ([found("accounts.a", Unreachable), found("clock", ArchiverError)], 3),
        ([FINE, found("catalog", CatalogUnavailable)], 3),
        ([FINE, found("storage", StorageError)], 3),
        ([found("storage", StorageError), found("catalog", ConfigError)], 2),
    ],
)
def test_the_exit_code_tells_what_is_wrong(findings: list[Finding], code: int) -> None:
    """Configuration before what is out of reach; accounts count when none is left; anything else is 1."""
    assert exit_code(findings) == code


KINDS = [ArchiverError, CatalogError, CatalogUnavailable, ConfigError, Denied, ListingError, Permanent, StorageError]


@pytest.mark.parametrize("kind", [*KINDS, Throttled, Transient, Unreachable])
def test_every_problem_has_a_fix(kind: type[ArchiverError]) -> None:
    """An error that names no fix gets one by its kind."""
    assert found("accounts.a", kind).fix


def test_a_problem_names_its_account_once() -> None:
    """What stands in ``where`` is not said again; the error's own fix counts."""
    finding = problem("accounts.a", Denied("account a: GET list answered 401", fix="look", account="a"))
    assert (finding.message, finding.fix) == ("GET list answered 401", "look")


def test_every_mistake_in_the_file_is_a_problem(refusal: Refusal) -> None:
    """Each has its file, line and key in ``where``, and its fix apart from the message."""
    error = refusal("[storage]\nurll = 'x'\n[transfer]\nlease = '1s'\n")
    unknown, short = configuration_problems(error)
    assert unknown.where.endswith("config.toml:2 storage.urll")
    assert (unknown.message, unknown.fix) == ("unknown key", "did you mean url?")
    assert short.where.endswith("config.toml:4 transfer.lease")
    assert exit_code([unknown]) == 2


def test_a_single_mistake_is_one_problem(refusal: Refusal) -> None:
    """An error without a headline is read alike."""
    (only,) = configuration_problems(refusal("[ops]\nlisten = '0.0.0.0:1'\n"))
    assert only.where.endswith("config.toml:2 ops.listen")
    assert "ARCHIVER_OPS_TOKEN" in only.fix


def test_what_is_no_toml_is_one_problem(refusal: Refusal) -> None:
    """A file that cannot be read as TOML is told as it is."""
    (only,) = configuration_problems(refusal("[storage\n"))
    assert only.where == "configuration"
    assert "not TOML" in only.message


SOUND: dict[str, Any] = {
    "now": datetime(2026, 11, 1, tzinfo=UTC),
    "version": "16.4",
    "major": 16,
    "connections": 100,
    "is_read_only": False,
    "is_empty": False,
    "may_write": True,
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"major": 14, "version": "14.9"}, ["14.9 is too old"]),
        ({"is_read_only": True, "may_write": False}, ["read-only"]),
        ({"may_write": False}, ["may not write"]),
        ({"connections": 22}, ["too few"]),
        ({"connections": 23}, []),
        ({"major": 9, "connections": 5}, ["too old", "too few"]),
    ],
)
def test_a_server_that_will_not_do_is_named(changes: dict[str, Any], words: list[str]) -> None:
    """Too old, not writable, or without room for our 20 connections beside the three that it keeps."""
    troubles = list(Server(**SOUND | changes).troubles(20))
    assert len(troubles) == len(words)
    assert all(word in str(trouble) and trouble.fix for word, trouble in zip(words, troubles, strict=True))


@pytest.mark.parametrize(
    ("skews", "words"),
    [
        ({"catalog": 0.2, "accounts.a": -1}, None),
        ({"catalog": 0.0}, None),
        ({"catalog": -4.9, "accounts.a": 30}, None),
        ({"catalog": 5.4, "accounts.a": 0}, "5 s behind that of catalog"),
        ({"catalog": 0, "accounts.a": -3600, "accounts.b": 31}, "3,600 s ahead of that of accounts.a, 31 s behind"),
    ],
)
def test_clocks_that_differ_are_named(skews: dict[str, float], words: str | None) -> None:
    """More than 5 s from the catalog's or 30 s from a provider's clock is a problem, which names the way to turn."""
    finding = judge_clock({where: timedelta(seconds=skew) for where, skew in skews.items()})
    assert (finding.trouble is None) == (words is None)
    assert (words or "within") in finding.message


async def look(*steps: Finding | ArchiverError) -> AsyncIterator[Finding]:
    """A look that finds these things, and fails where there is an error."""
    for step in steps:
        if isinstance(step, ArchiverError):
            raise step
        yield step


async def test_what_was_found_before_an_error_counts() -> None:
    """A look that fails half-way tells what it saw, then the error."""
    first, last = await bounded("catalog", look(FINE, CatalogError("no such table")))
    assert (first, last.message) == (FINE, "no such table")


@pytest.mark.parametrize(("where", "code"), [("catalog", 3), ("storage", 3), ("accounts.a", 3)])
async def test_a_look_ends_in_time(where: str, code: int) -> None:
    """What does not answer in time is out of reach."""

    async def hang() -> AsyncIterator[Finding]:
        yield FINE
        await asyncio.Event().wait()

    *_, last = await bounded(where, hang(), timedelta(0))
    assert "no answer" in last.message
    assert exit_code([last]) == code


def test_a_new_folder_is_seen_and_not_made(tmp_path: Path) -> None:
    """A folder that could be made passes, and is not made."""
    require_folder(tmp_path / "a" / "b", min_free=0)
    require_embedded(tmp_path / "c" / "d")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    """Below a file nothing can be made: the storage's error names it, and so does the catalog's."""
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    with pytest.raises(StorageError, match="file is no directory"):
        require_folder(in_the_way / "recordings", min_free=0)
    with pytest.raises(ConfigError, match="file is no directory"):
        require_embedded(in_the_way / "catalog")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_others_is_named(tmp_path: Path) -> None:
    """A folder that this user may not write is a problem that names the user."""
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="is not writable for"):
        require_folder(tmp_path / "recordings", min_free=0)


def test_too_little_room_is_told(tmp_path: Path) -> None:
    """Less than ``min_free`` is a problem with the key to lower."""
    with pytest.raises(StorageError, match="free, less than") as caught:
        require_folder(tmp_path, min_free=2**70)
    assert caught.value.key == "storage.min_free"
