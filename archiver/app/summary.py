"""The result of a backfill: the numbers of the contract's ``backfill --json``, and the exit code that follows."""

from collections.abc import Mapping
from dataclasses import dataclass

from archiver.model.account import AccountName
from archiver.model.errors import Denied
from archiver.model.listing import WalkReport
from archiver.model.recording import State
from archiver.pipeline.tally import Tally

EXIT_DONE, EXIT_LEFT, EXIT_CONFIG, EXIT_UNREACHABLE = 0, 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSummary:
    """One account's part. ``listed`` counts distinct recordings over all its listings; ``left`` what is still to do."""

    tally: Tally
    listed: int
    gone: int
    left: int
    states: Mapping[State, int]

    @property
    def malformed(self) -> int:
        """Malformed rows over all its listings."""
        return sum(walk.malformed for walk in self.tally.walks)

    @property
    def new(self) -> int:
        """Recordings that the catalog did not know before."""
        return sum(walk.new for walk in self.tally.walks)

    @property
    def is_unanswered(self) -> bool:
        """Whether nothing could be had of the account at all."""
        return self.tally.trouble is not None and not any(reached.seen for reached in self.tally.reached.values())

    @property
    def has_left_something(self) -> bool:
        """Whether the account is a reason for exit code 1."""
        tally = self.tally
        is_incomplete = any(not walk.is_complete for walk in tally.walks)
        is_new_trouble = tally.failed or tally.suspect or self.gone or tally.trouble
        return bool(self.left or self.malformed or is_new_trouble or is_incomplete)

    def as_json(self) -> dict[str, object]:
        """The contract's ``A``."""
        tally = self.tally
        done = {
            "stored": tally.stored,
            "verified": tally.verified,
            "failed": tally.failed,
            "gone": self.gone,
            "suspect": tally.suspect,
            "bytes": tally.bytes,
        }
        return {
            "walks": [_walk(walk) for walk in tally.walks],
            "listed": self.listed,
            "new": self.new,
            "known": self.listed - self.new,
            "malformed": self.malformed,
            "done": done,
            "states": {state.value: self.states.get(state, 0) for state in State},
        } | ({"error": tally.trouble.facts()} if tally.trouble else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A whole run."""

    accounts: Mapping[AccountName, AccountSummary]
    elapsed_s: float
    is_dry_run: bool = False

    @property
    def exit_code(self) -> int:
        """0 all done, 1 something is left, 2 every account's credentials refused, 3 no provider answered."""
        parts = self.accounts.values()
        if parts and all(part.is_unanswered for part in parts):
            is_refused = all(isinstance(part.tally.trouble, Denied) for part in parts)
            return EXIT_CONFIG if is_refused else EXIT_UNREACHABLE
        return EXIT_LEFT if any(part.has_left_something for part in parts) else EXIT_DONE

    def as_json(self) -> dict[str, object]:
        """The contract's object."""
        accounts = {name: part.as_json() for name, part in self.accounts.items()}
        return {"accounts": accounts, "total": _total(list(accounts.values())), "elapsed_s": round(self.elapsed_s, 3)}


def _walk(report: WalkReport) -> dict[str, object]:
    return {
        "listing": report.listing,
        "complete": report.is_complete,
        "reason": report.doubt,
        "pages": report.pages,
        "listed": report.listed,
    }


def _total(accounts: list[dict[str, object]]) -> dict[str, object]:
    """The sum of the accounts: numbers added, walks joined."""
    total = AccountSummary(tally=Tally(), listed=0, gone=0, left=0, states={}).as_json()
    for account in accounts:
        total = _added(total, account)
    return total


def _added(left: dict[str, object], right: Mapping[str, object]) -> dict[str, object]:
    return {name: _sum(value, right[name]) for name, value in left.items()}


def _sum(left: object, right: object) -> object:
    match left, right:
        case dict(), dict():
            return _added(left, right)
        case list(), list():
            return left + right
        case int(), int():
            return left + right
        case _:
            raise TypeError(f"{type(left).__name__} and {type(right).__name__} do not add up")
