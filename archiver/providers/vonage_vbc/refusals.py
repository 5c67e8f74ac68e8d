"""What a refused request at VBC means."""

import re
from typing import Final

from archiver.model.errors import ArchiverError, Denied, Throttled
from archiver.net.answers import Refusal
from archiver.providers.auth import TokenRefused

_THROTTLED: Final = re.compile(r"\b9008\d\d\b")


def judge_throttling(refusal: Refusal) -> ArchiverError | None:
    """The gateway in front of VBC may throttle under any status, with a code 9008xx. Source: WSO2 API Manager docs."""
    match refusal.document:
        case {"fault": {"code": code}} | {"code": code}:
            words = str(code)
        case _:
            words = refusal.text
    if refusal.is_foreign or not _THROTTLED.search(words):
        return None
    wait = refusal.retry_after
    return Throttled(refusal.message, retry_after=wait, account=refusal.account, request_id=refusal.request_id)


def judge(refusal: Refusal) -> ArchiverError | None:
    """What a refused request with a token means: 401 is about the token, 403 about the account."""
    throttled = judge_throttling(refusal)
    if throttled is not None or refusal.is_foreign:
        return throttled
    if refusal.status == 401:
        return TokenRefused(refusal.message, account=refusal.account, request_id=refusal.request_id)
    if refusal.status == 403:
        fix = "the user must be an Account Administrator, and the application subscribed to the Call Recording suite"
        return Denied(refusal.message, fix=fix, account=refusal.account, request_id=refusal.request_id)
    return None
