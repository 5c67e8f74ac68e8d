"""The house rules: who may import whom, how long things may be, and that what is public says what it is."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "archiver"
MODULES = sorted(PACKAGE.rglob("*.py"))

FLOORS: dict[str, frozenset[str]] = {
    "model": frozenset(),
    "ports": frozenset({"model"}),
    "net": frozenset({"model", "ports"}),
    "providers": frozenset({"model", "ports", "net"}),
    "storage": frozenset({"model", "ports", "net"}),
    "catalog": frozenset({"model", "ports", "net"}),
    "pipeline": frozenset({"model", "ports"}),
    "jobs": frozenset({"model", "ports", "pipeline"}),
    "app": frozenset({"model", "ports", "net", "providers", "storage", "catalog", "pipeline", "jobs", "sandbox"}),
    "sandbox": frozenset(),
}
"""Which parts each part may import, beside itself. Imports point down only; nobody imports app."""

HOMES: dict[str, tuple[str, ...]] = {
    "aiohttp": ("net/", "sandbox/", "storage/s3/answers.py", "app/ops/"),
    "multidict": ("net/",),
    "yarl": ("net/",),
    "aiobotocore": ("storage/",),
    "botocore": ("storage/",),
    "types_aiobotocore_s3": ("storage/",),
    "asyncpg": ("catalog/",),
    "aiofiles": ("storage/", "pipeline/spool.py"),
    "stamina": ("pipeline/retry.py",),
    "pydantic": ("app/config/",),
    "annotated_types": ("app/config/",),
    "click": ("app/cli/",),
    "rich": ("app/cli/",),
    "uvloop": ("app/",),
    "apscheduler": ("app/daemon/schedule.py",),
    "jinja2": ("app/ops/",),
    "prometheus_client": ("app/ops/",),
    "structlog": ("net/", "providers/", "storage/", "catalog/", "pipeline/", "jobs/", "app/"),
}
"""Each third-party package has its home. stamina's is pipeline/retry.py: retrying is decided there and nowhere else."""

SHARED = {
    "providers": frozenset({"registry", "paging", "fields", "auth", "claims"}),
    "storage": frozenset({"registry", "files", "layout", "medium", "publishing"}),
}
"""Modules of an adapter's folder that its siblings may import; adapters themselves never import each other."""


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, also inside functions; of ``from`` imports, every name after its module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def place(path: Path) -> str:
    """A module's path inside the package."""
    return path.relative_to(PACKAGE).as_posix()


def is_public(node: ast.AST) -> TypeGuard[ast.ClassDef]:
    """Whether a node is a class that others may use."""
    return isinstance(node, ast.ClassDef) and not node.name.startswith("_")


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_floors(path: Path) -> None:
    """A module imports only what lies below its part, and third-party packages only at their home."""
    part = place(path).split("/")[0]
    for module in imports(path):
        top, *rest = module.split(".")
        if top == "archiver" and rest and part in FLOORS:
            assert rest[0] == part or rest[0] in FLOORS[part], f"{part} must not import {module}"
        elif top != "archiver" and top not in sys.stdlib_module_names:
            assert place(path).startswith(HOMES.get(top, ())), f"{module} has no home in {place(path)}"


@pytest.mark.parametrize("part", sorted(SHARED))
def test_siblings(part: str) -> None:
    """An adapter, file or folder, never imports a sibling adapter: only its own and what all share."""
    for path in (PACKAGE / part).rglob("*.py"):
        own = path.relative_to(PACKAGE / part).parts[0].removesuffix(".py")
        if own == "registry":
            continue
        for module in imports(path):
            names = module.split(".")
            if names[:2] == ["archiver", part] and len(names) > 2:
                assert names[2] in SHARED[part] | {own}, f"{place(path)} imports its sibling {module}"


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_lengths(path: Path) -> None:
    """No file is longer than 400 lines, no function longer than 40 without its docstring."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and node.body[1:] else node.body
            length = (node.end_lineno or 0) - body[0].lineno + 2
            assert length <= 40, f"{place(path)}:{node.lineno}: {node.name} has {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_docstrings(path: Path) -> None:
    """Every module, public class and public function has a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{place(path)} has no docstring"
    for node in [*tree.body, *(inner for outer in tree.body if is_public(outer) for inner in outer.body)]:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            is_overload = any(getattr(d, "id", "") in {"overload", "override"} for d in node.decorator_list)
            assert is_overload or ast.get_docstring(node), f"{place(path)}:{node.lineno}: {node.name} has no docstring"


def test_ports_are_small() -> None:
    """A protocol of the ports has at most six methods, so that a fake of it is written in an hour."""
    for path in (PACKAGE / "ports").glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and any(getattr(base, "id", "") == "Protocol" for base in node.bases):
                methods = [
                    inner
                    for inner in node.body
                    if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and not inner.decorator_list
                ]
                assert len(methods) <= 6, f"{place(path)}: {node.name} has {len(methods)} methods"


def test_no_provider_is_named_in_the_pipeline() -> None:
    """The dataflow knows no provider: nothing in pipeline, catalog or storage names one."""
    for part in ("pipeline", "catalog", "storage", "model", "ports"):
        for path in (PACKAGE / part).rglob("*.*"):
            if path.suffix in {".py", ".sql"}:
                text = path.read_text(encoding="utf-8").lower()
                for name in ("vobiz", "vonage", "vbc", "kazoo"):
                    assert name not in text, f"{place(path)} names {name}"
