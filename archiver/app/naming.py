"""Recordings as the command line names them: ``ACCOUNT/RECORDING_ID``, or the id alone where it is unique."""

from archiver.model.account import AccountName
from archiver.model.errors import ArchiverError, ConfigError
from archiver.ports.catalog import Record, View

_SHOWN = 5


class UnknownRecording(ArchiverError):
    """The catalog has no recording of this name."""

    code = "unknown_id"


async def resolve(view: View, name: str) -> Record:
    """The recording of this name. An id may hold slashes itself, so the account is looked for first.

    Raises: UnknownRecording when there is none; ConfigError when several accounts have one.
    """
    account, slash, recording_id = name.partition("/")
    found = list(await view.lookup(recording_id, AccountName(account))) if slash else []
    found = found or list(await view.lookup(name, None))
    if not found:
        raise UnknownRecording(
            f"the catalog has no recording {name!r}",
            fix="look it up with `archiver ls --number N` or `archiver ls --since DATE`; an ID is ACCOUNT/RECORDING_ID",
        )
    if len(found) > 1:
        names = [f"{record.account}/{name}" for record in found[:_SHOWN]]
        raise ConfigError(f"{name!r} is in {len(found)} accounts", fix=f"name one of: {', '.join(names)}")
    return found[0]


def full_name(record: Record) -> str:
    """The name that no other recording has."""
    return f"{record.account}/{record.listed.recording_id}"
