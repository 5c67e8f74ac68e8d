"""Where secrets come from, and that they stay unseen."""

from pathlib import Path

import pytest

from archiver.app.config.problems import Wrong
from archiver.app.config.secrets import Sources, resolve
from archiver.model.secret import Secret

CANARY = "canary-7f3a"


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """A folder with secrets good and bad, and an environment."""
    (tmp_path / "good").write_text(CANARY + "\n")
    (tmp_path / "windows").write_bytes(CANARY.encode() + b"\r\n")
    (tmp_path / "blank-line").write_text(CANARY + "\n\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff" + CANARY.encode())
    environ = {"GOOD": CANARY, "EMPTY": "", "BROKEN": f"{CANARY}\nX-Evil: 1", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    return Sources(tmp_path, environ)


@pytest.mark.parametrize(
    "reference", [CANARY, {"env": "GOOD"}, {"file": "good"}, {"file": "windows"}, {"credential": "good"}]
)
def test_resolved(sources: Sources, reference: object) -> None:
    """A string, a variable, a file beside the configuration, a credential of systemd: all give the secret."""
    assert resolve(reference, sources) == Secret(CANARY)


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("", "is empty"),
        (12, "not a whole number"),
        ([CANARY], "not a list"),
        ({}, "must be a string"),
        ({"env": "GOOD", "file": "good"}, "must be a string"),
        ({"envv": CANARY}, "must be a string"),
        ({"env": ""}, "not empty"),
        ({"env": 1}, "a name in quotes"),
        ({"env": "NOPE"}, "variable NOPE is not set"),
        ({"env": "EMPTY"}, "variable EMPTY is empty"),
        ({"env": "BROKEN"}, "control character"),
        ({"file": "nope"}, "nope: No such file"),
        ({"file": "empty"}, "empty is empty"),
        ({"file": "blank-line"}, "control character"),
        ({"file": "binary"}, "no UTF-8"),
        ({"file": "."}, "Is a directory"),
        ({"credential": "../good"}, "not a path"),
        ({"credential": "nope"}, "No such file"),
    ],
)
def test_refused(sources: Sources, reference: object, told: str) -> None:
    """What gives no secret is told by the name of its source, never by a value (S5)."""
    with pytest.raises(ValueError, match=told) as caught:
        resolve(reference, sources)
    assert CANARY not in str(caught.value)


def test_credentials_need_systemd() -> None:
    """Without ``$CREDENTIALS_DIRECTORY`` a credential is refused, with the line for the unit as the fix."""
    with pytest.raises(Wrong, match="systemd passed no credentials") as caught:
        resolve({"credential": "vobiz"}, Sources())
    assert "LoadCredential=vobiz:PATH" in str(caught.value.fix)
