"""How the catalog is shown: ``status`` and ``ls``, as tables and as the contract's JSON."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import click
from rich.text import Text

from archiver.app.cli.output import instant, plain_table, print_json, short_instant, stdout_console
from archiver.model.account import AccountName
from archiver.model.listing import Window
from archiver.model.recording import State
from archiver.model.units import format_size
from archiver.ports.catalog import AccountStatus, Event, ListingStatus, Query, Record


def query_of(window: Window, chosen: Mapping[str, object]) -> Query:
    """The query that the options of ``ls`` make."""
    account, state, number, limit = (chosen[name] for name in ("account", "state", "number", "limit"))
    return Query(
        account=AccountName(str(account)) if account else None,
        state=State(str(state)) if state else None,
        is_suspect=True if chosen["suspect"] else None,
        is_held=True if chosen["held"] else None,
        window=window,
        number=_with_digits(str(number)) if number else None,
        limit=None if chosen["show_all"] else int(str(limit)),
    )


def _with_digits(number: str) -> str:
    if not any(character.isdigit() for character in number):
        raise click.UsageError(f"--number {number!r} has no digits to look for")
    return number


async def show_records(records: AsyncIterator[Record], *, as_json: bool) -> None:
    """Print recordings as they come; JSON gives one object per line."""
    if as_json:
        async for record in records:
            print_json(record_json(record))
        return
    table = plain_table("started", "state", "account/recording", "from", "to", "length", "size", numbers=_RIGHT)
    count = 0
    async for record in records:
        count += 1
        table.add_row(*_cells(record))
    console = stdout_console()
    console.print(table if count else "no recordings")


_RIGHT = frozenset({"length", "size"})


def _cells(record: Record) -> tuple[str, ...]:
    listed = record.listed
    minutes, seconds = divmod(int(listed.duration.total_seconds()) if listed.duration else 0, 60)
    return (
        short_instant(listed.started_at),
        record.state.value + (f" ({note})" if (note := record.reason or (record.suspect and "suspect")) else ""),
        f"{record.account}/{listed.recording_id}",
        listed.from_number or "-",
        listed.to_number or "-",
        f"{minutes}:{seconds:02}" if listed.duration else "-",
        format_size(record.size_bytes) if record.size_bytes is not None else "-",
    )


def record_json(record: Record) -> dict[str, object]:
    """A recording under the contract's names."""
    listed = record.listed
    return {
        "account": record.account,
        "recording_id": listed.recording_id,
        "provider": record.provider,
        "listing": listed.listing,
        "state": record.state,
        "reason": record.reason,
        "suspect": record.suspect,
        "held": record.is_held,
        "started_at": instant(listed.started_at),
        "first_seen_at": instant(record.first_seen_at),
        "duration_s": listed.duration.total_seconds() if listed.duration is not None else None,
        "direction": listed.direction,
        "from_number": listed.from_number,
        "to_number": listed.to_number,
        "type": listed.type,
        "format": record.format,
        "size": record.size_bytes,
        "sha256": record.digest.hex() if record.digest else None,
        "key": record.key,
        "storage_url": record.storage_url,
        "attempts": record.attempts,
        "next_attempt_at": instant(record.next_attempt_at),
        "error": record.error,
        "stored_at": instant(record.stored_at),
        "verified_at": instant(record.verified_at),
        "verified_by": record.verified_by,
        "remote_missing_at": instant(record.remote_missing_at),
        "remote_deleted_at": instant(record.remote_deleted_at),
        "provider_metadata": listed.document,
        "redacted": list(listed.redacted),
    }


def show_record(record: Record, history: Sequence[Event]) -> None:
    """Print all that is known of one recording, then what happened to it."""
    console = stdout_console()
    console.print(Text(f"{record.account}/{record.listed.recording_id}", style="bold"), soft_wrap=True)
    facts = {name: value for name, value in record_json(record).items() if name not in _UNTOLD and value is not None}
    for name, value in facts.items():
        console.print(Text(f"  {name:<{_NAME_WIDTH}}  {_plainly(value)}"), soft_wrap=True)
    console.print("\nhistory", style="bold")
    for event in history:
        told = ", ".join(f"{name} {value}" for name, value in event.facts.items() if value is not None)
        console.print(Text(f"  {instant(event.at)}  {event.name:<10}  {told}"), soft_wrap=True)
    console.print("\nprovider's document", style="bold")
    console.print_json(data=record.listed.document, indent=2)


_UNTOLD = frozenset({"account", "recording_id", "provider_metadata", "redacted"})
_NAME_WIDTH = 17


def _plainly(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def show_status(accounts: Sequence[AccountStatus], configured: Collection[str]) -> None:
    """Print one block per account."""
    console = stdout_console()
    if not accounts:
        console.print("no account was walked yet: run `archiver backfill`")
    for account in accounts:
        mark = "" if account.account in configured else "  [dim]unconfigured[/dim]"
        console.print(f"[bold]{account.account}[/bold]  {account.provider}{mark}")
        table = plain_table("", "")
        table.show_header = False
        for name, value in _facts(account):
            table.add_row(f"  {name}", value)
        console.print(table)


def _facts(account: AccountStatus) -> list[tuple[str, str]]:
    states = ", ".join(f"{count:,} {state}" for state, count in account.states.items() if count) or "no recordings"
    facts = [
        ("recordings", states),
        ("archived", format_size(account.stored_bytes)),
        ("backlog", f"{account.backlog:,}"),
    ]
    if account.oldest_unarchived_at:
        facts.append(("oldest unarchived", f"{short_instant(account.oldest_unarchived_at)} UTC"))
    if account.next_expiry_at:
        facts.append(("next expiry", f"{short_instant(account.next_expiry_at)} UTC"))
    if account.suspects:
        facts.append(("suspect", f"{account.suspects:,}, kept, but maybe not the call: archiver ls --suspect"))
    if account.quarantined:
        facts.append(("quarantined", f"{account.quarantined:,} malformed rows of its listings, the latest:"))
        facts += [("", f"{bad.listing}: {bad.reason}") for bad in account.malformed]
    return facts + [(f"walk {name}", _walk(walk)) for name, walk in account.walks.items()]


def _walk(walk: ListingStatus) -> str:
    if walk.is_complete:
        return f"complete at {short_instant(walk.last_complete_at)} UTC"
    last = f"last complete at {short_instant(walk.last_complete_at)} UTC" if walk.last_complete_at else "never complete"
    return f"incomplete at {short_instant(walk.last_at)} UTC ({walk.doubt or 'it did not end'}); {last}"


def status_json(accounts: Sequence[AccountStatus]) -> None:
    """Print the contract's ``status --json``."""
    print_json(
        {
            "accounts": {account.account: _account_json(account) for account in accounts},
            "storage": {
                "bytes": sum(account.stored_bytes for account in accounts),
                "objects": sum(account.states[state] for account in accounts for state in _KEPT),
            },
        }
    )


_KEPT = (State.STORED, State.VERIFIED, State.DAMAGED, State.REMOTE_DELETED)


def _account_json(account: AccountStatus) -> dict[str, object]:
    return {
        "states": {state.value: account.states[state] for state in State},
        "backlog": account.backlog,
        "oldest_unarchived_at": instant(account.oldest_unarchived_at),
        "next_expiry_at": instant(account.next_expiry_at),
        "walks": {
            name: {
                "last_complete_at": instant(walk.last_complete_at),
                "last_at": instant(walk.last_at),
                "complete": walk.is_complete,
                "reason": walk.doubt,
            }
            for name, walk in account.walks.items()
        },
        "suspects": account.suspects,
        "quarantined": account.quarantined,
        "malformed": [
            {"listing": bad.listing, "reason": bad.reason, "last_seen_at": instant(bad.last_seen_at)}
            for bad in account.malformed
        ],
    }
