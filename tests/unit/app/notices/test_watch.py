"""What is worth a notice."""

from datetime import timedelta
from typing import Any

import pytest

from archiver.app.notices.watch import Bounds, Kind, findings
from archiver.model.errors import Unreachable
from archiver.model.recording import State
from tests.unit.app.ops.accounts import ACME, NOW, RECORDINGS, make_status, make_vitals, make_walk

BOUNDS = Bounds(failing_intervals=2, max_walk_age=timedelta(hours=2))


def states(vitals: Any = None, **changes: Any) -> dict[str, str | None]:
    """The state of each subject, by its kind."""
    found = findings([make_status(**changes)], vitals or make_vitals(), BOUNDS, NOW)
    return {finding.kind: finding.state for finding in found}


def test_all_is_fine() -> None:
    """A fresh account has every subject, and none of them a state."""
    assert states() == dict.fromkeys(Kind)


def test_trouble_is_worth_a_notice_after_a_while() -> None:
    """One failed interval is neither news nor a recovery; the second is news."""
    vitals = make_vitals()
    vitals.accounts[ACME].fail(Unreachable("refused"), NOW)
    assert Kind.ACCOUNT_FAILING not in states(vitals)
    vitals.accounts[ACME].fail(Unreachable("refused"), NOW)
    assert states(vitals)[Kind.ACCOUNT_FAILING] == "failing"


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (Kind.EXPIRY_NEAR, {"next_expiry_at": NOW + timedelta(hours=1), "backlog": 1}),
        (Kind.DAMAGE, {"states": {**dict.fromkeys(State, 0), State.DAMAGED: 2}}),
        (Kind.SUSPECTS, {"suspects": 3}),
        (Kind.WALK_INCOMPLETE, {"walks": {RECORDINGS: make_walk(timedelta(hours=5), "loops")}}),
        (Kind.WALK_INCOMPLETE, {"walks": {RECORDINGS: make_walk(None, "loops")}}),
    ],
)
def test_what_is_wrong_has_a_state(kind: Kind, changes: dict[str, Any]) -> None:
    """Each kind of trouble is told of by itself, in words that name the account."""
    assert {name for name, state in states(**changes).items() if state is not None} == {kind}
    found = {finding.kind: finding for finding in findings([make_status(**changes)], make_vitals(), BOUNDS, NOW)}
    assert ACME in found[kind].summary


def test_a_walk_that_is_incomplete_for_once_is_no_news() -> None:
    """A listing that was read to its end lately is not told of, though the last walk was not complete."""
    assert states(walks={RECORDINGS: make_walk(timedelta(minutes=20), "cut")})[Kind.WALK_INCOMPLETE] is None
