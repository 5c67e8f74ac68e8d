"""What an answer that is no success means, decided once for all adapters: status → error.

| status | error |
|---|---|
| 401, 402, 403 | ``Denied``; from a host that got no credentials ``Transient``: its link is refused, not the account |
| 404, 410 | ``Gone`` |
| 429 | ``Throttled`` |
| 407 | ``Unreachable``: the proxy answers, not the provider |
| 408, 409, 425, 5xx | ``Transient`` |
| others | ``Permanent`` |
"""

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from archiver.model.errors import ArchiverError, Denied, Gone, Permanent, Throttled, Transient, Unreachable
from archiver.net.redaction import redact_text

_LONGEST_WAIT: Final = timedelta(days=1)
"""The longest quota that anybody counts is a day's; whoever names more is mistaken, and is not obeyed."""

_REQUEST_ID_HEADERS: Final = ("x-request-id", "x-correlation-id")
_REQUEST_ID_KEYS: Final = ("api_id", "request_id", "requestId")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that is no success, as an adapter may judge it.

    ``exchange`` names method, endpoint and address. ``is_foreign`` tells that the host got no credentials.
    ``document`` is the decoded body, None when it is no JSON; ``text`` a short excerpt of what it says.
    ``retry_after`` is the wait that the headers ask for.
    """

    account: str
    endpoint: str
    exchange: str
    status: int
    is_foreign: bool
    headers: Mapping[str, str]
    document: object
    text: str
    retry_after: timedelta | None

    @property
    def message(self) -> str:
        """The refusal in a line, ready for an error."""
        return f"account {self.account}: {self.exchange} answered {self.status}" + (
            f": {self.text}" if self.text else ""
        )

    @property
    def request_id(self) -> str | None:
        """The provider's id of the request, for its support."""
        return find_request_id(self.headers, self.document)


def classify(refusal: Refusal) -> ArchiverError:
    """The error that a refusal means where the adapter knows no better."""
    message, status, wait = refusal.message, refusal.status, refusal.retry_after
    account, request_id = refusal.account, refusal.request_id
    error: ArchiverError
    if status in (401, 402, 403) and refusal.is_foreign:
        message += "; the link is refused, a fresh one is asked for at the next attempt"
        error = Transient(message, account=account, request_id=request_id)
    elif status in (401, 402, 403):
        fix = "check the account's credentials, and whether it is active at the provider"
        error = Denied(message, fix=fix, account=account, request_id=request_id)
    elif status in (404, 410):
        error = Gone(message, account=account, request_id=request_id)
    elif status == 429:
        error = Throttled(message, retry_after=wait, account=account, request_id=request_id)
    elif status == 407:
        error = Unreachable(f"{message}; the proxy wants other credentials", account=account)
    elif status in (408, 409, 425) or status >= 500:
        error = Transient(message, retry_after=wait, account=account, request_id=request_id)
    else:
        error = Permanent(message, account=account, request_id=request_id)
    return error


def read_json(body: bytes) -> object:
    """Decode JSON so that every value can be kept and written again: what is no finite number stays a text.

    Raises: ValueError when it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(body, parse_constant=str, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _finite(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def describe(body: bytes, document: object, secrets: Collection[str]) -> str:
    """What an error body says, in a short line: the message of the usual JSON shapes, else its text without tags."""
    if isinstance(document, dict):
        return redact_text(" ".join(_messages(document)), secrets)
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", body.decode("utf-8", "replace"), flags=re.DOTALL | re.I)
    return redact_text(text, secrets)


def _messages(document: Mapping[str, object]) -> list[str]:
    """The texts of ``{"error": "…"}``, ``{"message": "…"}`` and of either under ``error`` or ``fault``."""
    nested = [value for key in ("error", "fault") if isinstance(value := document.get(key), dict)]
    texts = [part.get(key) for part in (document, *nested) for key in ("code", "error", "message", "description")]
    return list(dict.fromkeys(text for text in texts if isinstance(text, str) and text))


def find_request_id(headers: Mapping[str, str], document: object) -> str | None:
    """The provider's id of a request, out of the body's usual keys or the headers; None when there is none."""
    named = [document.get(key) for key in _REQUEST_ID_KEYS] if isinstance(document, dict) else []
    candidates = [*named, *(headers.get(name) for name in _REQUEST_ID_HEADERS)]
    texts = (
        text for text in candidates if isinstance(text, str) and re.fullmatch(r"[\w.:/+=-]{1,100}", text, re.ASCII)
    )
    return next(texts, None)


def read_retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """The wait that ``Retry-After`` asks for, in seconds or as a date; None when it is absent, past or unreadable.

    A date is measured from the answer's own ``Date``, so that a clock that is off costs nothing. At most a day.
    Source: RFC 9110, section 10.2.3.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return seconds_to_wait(float(text))
    until = read_http_date(text)
    if until is None:
        return None
    return seconds_to_wait((until - (read_http_date(headers.get("Date", "")) or now)).total_seconds())


def seconds_to_wait(seconds: float) -> timedelta | None:
    """A wait that somebody asked for: None unless it is positive, at most a day."""
    if not seconds > 0:
        return None
    return timedelta(seconds=min(seconds, _LONGEST_WAIT.total_seconds()))


def read_http_date(text: str) -> datetime | None:
    """The time that a header names, aware; None when it is none."""
    try:
        parsed = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the second for a year, an hour or a zone of twenty digits
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
