"""What Kazoo means by an answer that is no success. Its messages are spelt in several ways, so what can be told by the
types and members of ``data`` is told by them; where the body is none of Kazoo's (a proxy's page), the status decides.

| status | ``data`` | means |
|---|---|---|
| 401 | | the token has ended: log in once, ask once more |
| 404 | a list | no id that Kazoo could look up |
| 404 | with ``cause`` | no such recording |
| 404, for media | with ``details``, or unknown | the recording is there without its audio |
| 400, 416, for a listing | names the window, or nothing | too much at once: a shorter window |
| 423 | | the account is locked or has expired |
| 503 | | some store behind Kazoo does not answer; what is removed for good looks like that too |

Source: open-source Kazoo 4.3 and master, read 2026-11.
"""

from dataclasses import replace
from typing import Final

from archiver.model.errors import ArchiverError, Denied, NotReady, Permanent, Transient, WindowTooLarge
from archiver.net.answers import Refusal, classify
from archiver.providers import fields
from archiver.providers.auth import TokenRefused

_UNKNOWN_KEY: Final = "check api_key, and that base_url is the address of Kazoo's API, which usually ends in /v2"
_LOCKED: Final = "the account is locked or has expired: ask the operator of this Kazoo"
_NOT_HEARD: Final = "check account_id, and whether the credentials may read its recordings"
_SECOND_FACTOR: Final = "the user needs a second factor, which nobody is there to give: use api_key"
_WRONG_LOGIN: Final = "check api_key; or username, password, method and the name of the account"


def judge(refusal: Refusal) -> ArchiverError | None:
    """The error for a refused listing, document or media."""
    message, data = refusal.message, _data(refusal)
    account, request_id = refusal.account, refusal.request_id
    error: ArchiverError | None = None
    match refusal.status:
        case _ if refusal.is_foreign:
            pass
        case 401:
            error = TokenRefused(message, fix=_NOT_HEARD, account=account, request_id=request_id)
        case 423:
            error = Denied(message, fix=_LOCKED, account=account, request_id=request_id)
        case 404 if isinstance(data, list):
            error = Permanent(
                f"{message}: to Kazoo this is no id of a recording", account=account, request_id=request_id
            )
        case 404 if refusal.endpoint == "media" and not _has(data, "cause"):
            error = NotReady(f"{message}: the audio is not there yet", account=account, request_id=request_id)
        case 400 | 416 if refusal.endpoint == "list" and (refusal.status == 416 or _is_about_window(data)):
            error = WindowTooLarge(message, account=account, request_id=request_id)
        case 503 if _says(refusal, "datastore_missing"):
            removed = "the database of its month is not there: if it was removed, so were its recordings"
            error = Transient(
                f"{message}; {removed}", retry_after=refusal.retry_after, account=account, request_id=request_id
            )
    return error


def judge_login(refusal: Refusal) -> ArchiverError:
    """The error for a refused login. An unknown API key is answered by 404, and repeated in the answer: nothing of it
    is quoted (S5)."""
    silent = replace(refusal, text="")
    if refusal.status not in (400, 401, 402, 403, 404, 423):
        return classify(silent)
    fix = {404: _UNKNOWN_KEY, 423: _LOCKED}.get(refusal.status, _WRONG_LOGIN)
    if _has(_data(refusal), "multi_factor_request"):
        fix = _SECOND_FACTOR
    message = f"{silent.message}: the login is refused"
    return Denied(message, fix=fix, account=refusal.account, request_id=refusal.request_id)


def _data(refusal: Refusal) -> object:
    return fields.member(refusal.document, "data")


def _has(data: object, name: str) -> bool:
    return isinstance(data, dict) and name in data


def _is_about_window(data: object) -> bool:
    """Whether a validation error names the window, or nothing at all."""
    return not data or _has(data, "created_from") or _has(data, "created_to")


def _says(refusal: Refusal, word: str) -> bool:
    """Whether the message is this one; for what only the message tells apart."""
    said = fields.member(refusal.document, "message")
    return isinstance(said, str) and said.replace(" ", "_") == word
