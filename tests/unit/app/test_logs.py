"""Events as they leave the process."""

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog

from archiver.app.logs import configure
from archiver.model.errors import Unreachable
from archiver.model.secret import Secret

CANARY = "canary-4c5d"


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """Logging is global to the process: give it back as it was."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = before


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def _logged(stream: io.StringIO) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(stream.getvalue())
    return event


def test_json_event() -> None:
    """One line of JSON per event, with level, context and a UTC time that ends in Z."""
    stream = io.StringIO()
    configure("info", "auto", stream)
    structlog.get_logger().bind(account="acme").info("recording_stored", size_bytes=3)
    event = _logged(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", event.pop("timestamp"))
    assert event == {"event": "recording_stored", "level": "info", "account": "acme", "size_bytes": 3}
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("form", "stream", "is_json"),
    [
        ("json", Terminal(), True),
        ("console", io.StringIO(), False),
        ("auto", Terminal(), False),
        ("auto", io.StringIO(), True),
    ],
)
def test_format(form: Any, stream: io.StringIO, is_json: bool) -> None:
    """``auto`` is for people on a terminal and for machines elsewhere."""
    configure("info", form, stream)
    structlog.get_logger().info("tick")
    assert stream.getvalue().startswith("{") is is_json


def test_level_can_change() -> None:
    """Events below the level are dropped; a later call changes it."""
    stream = io.StringIO()
    configure("warning", "json", stream)
    log = structlog.get_logger()
    log.info("unseen")
    configure("debug", "json", stream)
    log.debug("seen")
    assert _logged(stream)["event"] == "seen"


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize(
    "facts",
    [
        {"value": Secret(CANARY)},
        {"nested": {"deep": [Secret(CANARY)]}},
        {"auth_token": CANARY},
        {"X-Auth-Token": CANARY},
        {"headers": {"Authorization": f"Basic {CANARY}"}},
        {"password": [CANARY]},
        {"apiKey": CANARY},
        {"dsn": f"postgresql://u:{CANARY}@h/d"},
        {"where": f"postgresql://u:{CANARY}@h/d"},
        {"url": f"https://h/media/1?X-Amz-Signature={CANARY}&a=1"},
        {"message": f"GET https://h/a?token={CANARY} failed"},
        {"message": f"sent Bearer {CANARY}"},
        {"from_number": CANARY},
        {"caller_id_number": CANARY},
        {"raw": f"https://h/a?token={CANARY}".encode()},
        {"cookie": CANARY},
        {"error": Unreachable(f"https://u:{CANARY}@h/ refused")},
    ],
)
def test_masked(facts: dict[str, Any], form: Any) -> None:
    """Secrets by type or by key, queries and user-info of addresses, and phone numbers never leave (S5)."""
    stream = io.StringIO()
    configure("debug", form, stream)
    structlog.get_logger().info("event", **facts)
    assert CANARY not in stream.getvalue()
    assert "event" in stream.getvalue()


def test_the_rest_stays_readable() -> None:
    """Numbers, texts and paths pass; the address keeps host and path; a terminal gets no escapes."""
    stream = io.StringIO()
    configure("info", "json", stream)
    facts = {
        "tokens": 3,
        "key": "acme/1.mp3",
        "url": "https://h:1/p?q=1",
        "took": timedelta(seconds=1),
        "told": "a\x1b[",
    }
    structlog.get_logger().info("event", **facts)
    event = _logged(stream)
    assert (event["tokens"], event["key"], event["url"]) == (3, "acme/1.mp3", "https://h:1/p")
    assert (event["took"], event["told"]) == ("0:00:01", "a\ufffd[")


def _fail() -> None:
    raise Unreachable(f"no answer from https://h/?token={CANARY}")


@pytest.mark.parametrize(("level", "has_traceback"), [("info", False), ("debug", True)])
def test_exceptions(level: Any, has_traceback: bool) -> None:
    """An error is its message and type; where it was raised is only for debugging, and masked too."""
    stream = io.StringIO()
    configure(level, "json", stream)
    try:
        _fail()
    except Unreachable:
        structlog.get_logger().exception("walk_failed")
    event = _logged(stream)
    assert (event["error"], event["error_type"]) == ("no answer from https://h/", "Unreachable")
    assert ("exception" in event) is has_traceback
    assert CANARY not in stream.getvalue()


def test_libraries() -> None:
    """Libraries speak from warnings upward, in the same form and under the same mask."""
    stream = io.StringIO()
    configure("debug", "json", stream)
    library = logging.getLogger("some.library")
    library.info("unseen")
    library.warning("retry of %s", f"https://h/?sig={CANARY}", extra={"password": CANARY})
    event = _logged(stream)
    assert (event["event"], event["level"], event["logger"]) == ("retry of https://h/", "warning", "some.library")
    assert event["password"] == "********"


def test_errors_of_libraries() -> None:
    """A library's exception is told once, without a traceback outside debugging."""
    stream = io.StringIO()
    configure("info", "json", stream)
    logging.getLogger("some.library").error("lost", exc_info=ValueError("why"))
    event = _logged(stream)
    assert (event["event"], event["error"], event["error_type"]) == ("lost", "why", "ValueError")
