"""What a refused request at Vobiz means.

Source: vobiz docs, error codes; read 2026-11.
"""

from archiver.model.errors import ArchiverError, Throttled
from archiver.net.answers import Refusal, seconds_to_wait
from archiver.providers import fields


def judge(refusal: Refusal) -> ArchiverError | None:
    """Vobiz may name the wait of a 429 in the body: ``error.details.retryAfter``, in seconds."""
    if refusal.status != 429 or refusal.retry_after is not None:
        return None
    details = fields.member(fields.member(refusal.document, "error"), "details")
    seconds = fields.number(fields.member(details, "retryAfter"))
    wait = seconds_to_wait(float(seconds)) if seconds is not None else None
    return Throttled(refusal.message, retry_after=wait, account=refusal.account, request_id=refusal.request_id)
