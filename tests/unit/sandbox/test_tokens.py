"""Tokens end when they should, and a refresh token is good once."""

from datetime import timedelta

from archiver.sandbox.tokens import TokenDesk


class Clock:
    """A clock that goes when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_token_is_good_until_its_end() -> None:
    """At the last second of its life a token has ended."""
    clock = Clock()
    desk = TokenDesk(timedelta(seconds=60), str, clock)
    grant = desk.issue()
    clock.now = 59.9
    assert (desk.is_good(grant.access), desk.seconds_left(grant)) == (True, 0)
    clock.now = 60
    assert not desk.is_good(grant.access)


def test_the_newest_token_stays_in_force() -> None:
    """A token is given again as long as it is good, and replaced after that."""
    clock = Clock()
    desk = TokenDesk(timedelta(seconds=60), str, clock)
    first, again = desk.in_force(), desk.in_force()
    clock.now = 60
    assert first == again != desk.in_force()


def test_a_refresh_outlives_its_token_and_is_used_up() -> None:
    """An exchange works after the end of the access token, once."""
    clock = Clock()
    desk = TokenDesk(timedelta(seconds=60), str, clock)
    first = desk.issue()
    clock.now = 100
    second = desk.exchange(first.refresh)
    assert second is not None
    assert (desk.is_good(second.access), desk.exchange(first.refresh), desk.exchange("other")) == (True, None, None)


def test_all_tokens_end_on_order() -> None:
    """Access tokens end together, refresh tokens don't."""
    desk = TokenDesk(timedelta(seconds=60), str, Clock())
    one, other = desk.issue(), desk.issue()
    desk.end_all()
    assert not desk.is_good(one.access)
    assert not desk.is_good(other.access)
    assert desk.exchange(one.refresh)
