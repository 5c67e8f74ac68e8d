"""Which state may follow which."""

import pytest

from archiver.model.recording import FOLLOWS, State, may_follow

ARCHIVED = {State.STORED, State.VERIFIED, State.DAMAGED, State.REMOTE_DELETED}


def reachable(start: State, without: State | None = None) -> set[State]:
    """All states that can come after one, at any distance, not passing through another."""
    found: set[State] = set()
    fresh = {start}
    while fresh:
        fresh = {after for state in fresh for after in FOLLOWS[state] if after != without} - found
        found |= fresh
    return found


def test_every_state_has_its_line() -> None:
    """The table has every state, and everything in it is one."""
    assert FOLLOWS.keys() == set(State)


def test_every_state_can_be_reached() -> None:
    """From pending on, a recording can come to every other state."""
    assert reachable(State.PENDING) >= set(State) - {State.PENDING}


def test_no_state_is_a_dead_end() -> None:
    """Whatever happened, something can still happen: nothing is given up for good."""
    assert all(FOLLOWS.values())


@pytest.mark.parametrize("state", sorted(set(State) - {State.VERIFIED}))
def test_only_the_verified_may_be_deleted_remotely(state: State) -> None:
    """O2: no state but verified is followed by remote_deleted."""
    assert not may_follow(state, State.REMOTE_DELETED)


def test_remote_deletion_needs_verification() -> None:
    """O2: no way leads from pending to remote_deleted that does not pass through verified."""
    assert State.REMOTE_DELETED not in reachable(State.PENDING, without=State.VERIFIED)


@pytest.mark.parametrize("state", sorted(ARCHIVED))
def test_what_was_stored_never_counts_as_never_stored(state: State) -> None:
    """O1: from what was once stored no way leads to gone, failed, excluded or pending."""
    assert reachable(state) <= ARCHIVED


def test_verification_follows_storing() -> None:
    """R2: the way from pending to verified goes through stored."""
    assert State.VERIFIED not in reachable(State.PENDING, without=State.STORED)


def test_a_damaged_recording_heals() -> None:
    """R6: damaged bytes can be stored anew, or be read back as sound after all."""
    assert FOLLOWS[State.DAMAGED] == {State.STORED, State.VERIFIED}
