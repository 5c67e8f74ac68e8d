"""Kazoo's envelope, which is around every answer but media, and the refusals in it.

Source: 2600hz/kazoo, crossbar api_util and cb_context, read 2026-11.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

UNAVAILABLE: Final = ("datastore_fault", "datastore_missing_view", "datastore_unreachable", "datastore_missing")
"""The reasons of a 503, by the word that stands for each in ``/control``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an answer says. ``page`` are further keys at the top level; ``is_fatal`` makes an error a fatal one."""

    data: Mapping[str, Any] | Sequence[Any]
    status: int = 200
    message: str = ""
    page: Mapping[str, Any] | None = None
    is_fatal: bool = False

    def envelope(self) -> dict[str, Any]:
        """The keys that depend on the answer alone."""
        if self.status < 400:
            return {**(self.page or {}), "data": self.data, "status": "success"}
        status = "fatal" if self.is_fatal else "error"
        return {"data": self.data, "error": str(self.status), "message": self.message, "status": status}


def no_credentials() -> Reply:
    """A request without a token."""
    return Reply(status=401, message="invalid_credentials", data={"message": "invalid credentials"})


def invalid_token() -> Reply:
    """A token that is unknown or has ended."""
    return Reply(status=401, message="invalid credentials", data={})


def forbidden() -> Reply:
    """Another account."""
    return Reply(status=403, message="forbidden", data={"message": "forbidden"})


def too_many_requests() -> Reply:
    """The bucket is empty."""
    return Reply(status=429, message="too_many_requests", data={"message": "too many requests"})


def malformed_id(text: str) -> Reply:
    """An id of no known form; a wrong API key too, which is repeated."""
    return Reply(status=404, message="bad identifier", data=[text])


def missing_document(name: str) -> Reply:
    """No document of this id in the database that the id leads to."""
    return Reply(status=404, message="bad_identifier", data={"message": "bad identifier", "cause": name})


def missing_media(recording_id: str) -> Reply:
    """The document has no attachment."""
    return Reply(status=404, message="bad_identifier", data={"message": "bad identifier", "details": recording_id})


def faulty_request() -> Reply:
    """A page size that is none."""
    return Reply(status=404, message="faulty_request", data={"message": "faulty request"})


def invalid(field: str, rule: str, message: str, cause: object = None) -> Reply:
    """A value that breaks a rule."""
    broken = {"message": message} if cause is None else {"message": message, "cause": cause}
    return Reply(status=400, message="validation error", data={field: {rule: broken}})


def too_large() -> Reply:
    """More rows than there is memory for."""
    return Reply(status=416, message="range not satisfiable", data={})


def method_not_allowed() -> Reply:
    """What open-source versions say to PATCH."""
    return Reply(status=405, message="method not allowed", data={})


def internal_error() -> Reply:
    """A range that begins behind the end."""
    return Reply(status=500, message="internal error", data={})


def unavailable(reason: str, database: str, *, is_listing: bool) -> Reply:
    """A 503 for one of the reasons; a missing view is told otherwise by a listing."""
    if reason == "datastore_missing_view" and is_listing:
        return Reply(status=503, message="datastore missing view", data={}, is_fatal=True)
    if reason == "datastore_unreachable":
        return Reply(status=503, message=reason, data={"message": "datastore unreachable"})
    return Reply(status=503, message=reason, data={"message": reason.replace("_", " "), "cause": database})
