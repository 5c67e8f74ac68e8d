"""What answers mean, as tables."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archiver.model.errors import Denied, Gone, Permanent, Throttled, Transient, Unreachable
from archiver.net.answers import Refusal, classify, describe, find_request_id, read_json, read_retry_after

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def refusal(status: int, **changes: Any) -> Refusal:
    """A refusal by the account's own host."""
    usual: dict[str, Any] = {
        "account": "acme",
        "endpoint": "list",
        "exchange": "GET list https://api.example/x",
        "is_foreign": False,
        "headers": {},
        "document": {"api_id": "a-1"},
        "text": "no such thing",
        "retry_after": timedelta(seconds=9),
    }
    return Refusal(status=status, **usual | changes)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((status, Denied) for status in (401, 402, 403)),
        *((status, Gone) for status in (404, 410)),
        (407, Unreachable),
        (429, Throttled),
        *((status, Transient) for status in (408, 409, 425, 500, 502, 503, 504, 599)),
        *((status, Permanent) for status in (300, 304, 400, 405, 406, 416, 422, 451)),
    ],
)
def test_status_to_error(status: int, error: type[Exception]) -> None:
    """Each status is one error, which names the exchange, the account and the request's id."""
    found = classify(refusal(status))
    assert type(found) is error
    assert str(found).startswith(f"account acme: GET list https://api.example/x answered {status}: no such thing")
    assert found.account == "acme"
    assert found.request_id in ("a-1", None)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_foreign_refusal_denies_nobody(status: int) -> None:
    """S1: a host that got no credentials cannot refuse them; its link may be stale."""
    assert type(classify(refusal(status, is_foreign=True))) is Transient


@pytest.mark.parametrize("status", [408, 429, 503])
def test_a_named_wait_is_passed_on(status: int) -> None:
    """P1: the wait that the answer names stands in the error."""
    error = classify(refusal(status))
    assert isinstance(error, Transient)
    assert error.retry_after == timedelta(seconds=9)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": " 7 "}, 7),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "Sun, 22 Nov 2026 10:00:30 GMT"}, 30),
        ({"Retry-After": "Sun, 22 Nov 2026 10:00:30 GMT", "Date": "Sun, 22 Nov 2026 10:00:20 GMT"}, 10),
        ({"Retry-After": "99999999999999999999999999"}, 86400),
        ({"Retry-After": "9" * 5000}, 86400),
        ({"Retry-After": "Sun, 22 Nov 9999 10:00:30 GMT"}, 86400),
        ({"Retry-After": "0"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "Sun, 22 Nov 2020 10:00:30 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Sun, 99 Nov 2026 10:00:30 GMT"}, None),
        ({"Retry-After": "NaN"}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "."}, None),
        ({"Retry-After": "Sun, 22 Nov 99999999999999999999 10:00:30 GMT"}, None),
        ({"Retry-After": "Sun, 22 Nov 2026 10:00:30 +99999999999999"}, None),
        ({"Retry-After": "Sun, 22 Nov 2026 10:00:30 GMT", "Date": "Sun, 22 Nov 99999999999999999999 10:00:30 GMT"}, 30),
        ({"Retry-After": "Sun, 22 Nov 2026 12:00:30 +0200"}, 30),
        ({"Retry-After": "Sunday, 22-Nov-26 10:00:30 GMT"}, 30),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """P1: seconds and dates are understood, a date by the answer's own clock; nonsense is no wait, a day the most."""
    assert read_retry_after(headers, NOW) == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"api_id": "1", "error": "Recording not found"}', "Recording not found"),
        (b'{"status": "failure", "message": "busy"}', "busy"),
        (b'{"status":"error","error":{"code":"E1","message":"Too many","details":{}}}', "E1 Too many"),
        (b'{"fault":{"code":900902,"message":"Missing","description":"Make sure"}}', "Missing Make sure"),
        (b'{"data": {"message": "x"}, "error": "404", "message": "bad_identifier"}', "404 bad_identifier"),
        (b"<html><style>a{}</style><h1>502</h1>\n<p>Bad   gateway</p></html>", "502 Bad gateway"),
        (b"plain\x00\x1b words \xff", "plain words \ufffd"),
        (b'["list"]', '["list"]'),
        (b"{}", ""),
        (b"", ""),
    ],
)
def test_error_texts(body: bytes, text: str) -> None:
    """The message of the usual shapes is found; of anything else a short line without tags remains."""
    try:
        document = read_json(body)
    except ValueError:
        document = None
    assert describe(body, document, ()) == text


@pytest.mark.parametrize(
    ("headers", "document", "request_id"),
    [
        ({}, {"api_id": "668470b7-7a8f"}, "668470b7-7a8f"),
        ({}, {"requestId": "req_1"}, "req_1"),
        ({"x-request-id": "h-1"}, None, "h-1"),
        ({"x-request-id": "h-1"}, {"api_id": "two words"}, "h-1"),
        ({"x-request-id": "x" * 101}, {"api_id": 7}, None),
    ],
)
def test_request_ids(headers: dict[str, str], document: object, request_id: str | None) -> None:
    """The provider's id of a request is found in body or headers, if it looks like one."""
    assert find_request_id(headers, document) == request_id


def test_json_can_be_written_again() -> None:
    """What is no finite number stays a text, so that a document can be kept whatever it holds."""
    assert read_json(b"[NaN, -Infinity, 1e999, 1.5]") == ["NaN", "-Infinity", "1e999", 1.5]


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"[" * 100_000, b'"\xff"', b"9" * 5000])
def test_what_is_no_json(body: bytes) -> None:
    """Cut, foreign, too deep and absurd bodies are no JSON, and nothing worse happens."""
    with pytest.raises(ValueError):  # noqa: PT011
        read_json(body)
