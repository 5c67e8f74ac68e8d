"""Every promise has tests that would fail if it were broken, and ``tests/README.md`` says where they are."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
README = TESTS / "README.md"
PROMISES = [
    *(f"O{number}" for number in range(1, 7)),
    *("R1", "R2", "R3", "R4", "R5", "R6", "R8"),
    *(f"D{number}" for number in range(1, 8)),
    *(f"B{number}" for number in range(1, 6)),
    *(f"P{number}" for number in range(1, 5)),
    *(f"S{number}" for number in (1, 2, 3, 5, 6, 7)),
    *(f"T{number}" for number in range(1, 7)),
]
"""Those that hold today. Deletion (X), rebuilding (R7), long runs (P5) and zips (S4) come later."""

_NAMED = re.compile(r"\b([ORDBPST]\d)(?:\s*(?:to|-)\s*([ORDBPST]\d))?\b")


def promises_in(text: str) -> set[str]:
    """The promises that a docstring names, ranges such as ``O1 to O4`` spelled out."""
    found = set()
    for first, last in _NAMED.findall(text):
        until = int(last[1]) if last and last[0] == first[0] else int(first[1])
        found |= {f"{first[0]}{number}" for number in range(int(first[1]), until + 1)}
    return found


@cache
def proven() -> dict[str, set[str]]:
    """The test files that name each promise in the docstring of a test."""
    files: defaultdict[str, set[str]] = defaultdict(set)
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for promise in promises_in(ast.get_docstring(node) or ""):
                    files[promise].add(path.relative_to(TESTS).as_posix())
    return files


@pytest.mark.parametrize("promise", PROMISES)
def test_every_promise_is_tested(promise: str) -> None:
    """The docstring of at least one test names the promise."""
    assert proven()[promise], f"no test names {promise}"


def test_the_table_tells_the_truth() -> None:
    """The table has a row for each promise, and every file that it names has a test of that promise."""
    files, rows = proven(), re.findall(r"^\| ([A-Z]\d) \|[^|]*\|([^|]*)\|$", README.read_text("utf-8"), re.MULTILINE)
    assert [promise for promise, _ in rows] == PROMISES
    for promise, cell in rows:
        named = set(re.findall(r"`([^`]+)`", cell))
        assert named
        assert not named - files[promise], f"{promise}: {sorted(named - files[promise])}"
