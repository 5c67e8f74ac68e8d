"""``archiver sandbox`` reads orders before it serves anything, and tells which there are."""

import json

import pytest
from click.testing import CliRunner

from archiver.app.cli.sandbox import sandbox
from archiver.sandbox.faults.table import FAULTS
from archiver.sandbox.server import SandboxOptions, serve


@pytest.mark.parametrize(
    ("order", "words"),
    [("htlm", ["htlm", "html"]), ("cut:shaer=1", ["shaer", "share"]), ("cut:framing=zip", ["framing", "chunked"])],
)
def test_a_slip_in_an_order_is_a_usage_error(order: str, words: list[str]) -> None:
    """T6: an unknown fault or parameter names the nearest and ends with 2 before anything is served."""
    answer = CliRunner().invoke(sandbox, ["--fault", "html", "--fault", order])
    assert answer.exit_code == 2
    assert [word for word in [*words, "--list-faults"] if word not in answer.output] == []


def test_faults_are_listed_as_a_table() -> None:
    """Every fault is there with what it strikes, its parameters with defaults, and what it does."""
    answer = CliRunner().invoke(sandbox, ["--list-faults"])
    assert answer.exit_code == 0
    assert [name for name in FAULTS if f"\n{name} " not in answer.output] == []
    assert "framing=length|chunked|close" in answer.output


def test_faults_are_listed_as_json() -> None:
    """With --json each fault is one object on a line."""
    answer = CliRunner().invoke(sandbox, ["--list-faults", "--json"])
    faults = [json.loads(line) for line in answer.output.splitlines()]
    assert [fault["name"] for fault in faults] == list(FAULTS)
    assert {frozenset(fault) for fault in faults} == {
        frozenset({"name", "help", "strikes", "reach", "providers", "parameters", "choices"})
    }


async def test_a_sandbox_does_not_start_with_a_bad_order() -> None:
    """What the options order must be known before anybody connects."""
    with pytest.raises(ValueError, match="htlm"):
        async with serve(SandboxOptions(faults=("htlm",))):
            pass
