"""Quotas count what they should, at times that are given."""

from archiver.sandbox.quotas import SlidingMinute, TokenBucket


def test_the_minute_slides() -> None:
    """P1: a request is forgotten 60 seconds after it, not when a minute of the clock ends."""
    quota = SlidingMinute(2)
    assert [quota.admits(now) for now in (0, 50, 59.9, 60, 61, 110)] == [True, True, False, True, False, True]


def test_refused_requests_are_not_counted() -> None:
    """P1: asking too early does not lengthen the wait."""
    quota = SlidingMinute(1)
    assert [quota.admits(now) for now in (0, 20, 40, 60)] == [True, False, False, True]


def test_even_spacing_just_under_the_rate_is_never_refused() -> None:
    """P1: at 1 % below the allowed rate every request passes."""
    quota = SlidingMinute(10)
    assert all(quota.admits(number * 6.06) for number in range(100))


def test_a_bucket_fills_up_to_its_size() -> None:
    """P1: it begins full, gains by the second, never holds more than its size, and a refusal takes nothing."""
    bucket = TokenBucket(100, 10)
    assert [bucket.admits(35, 0) for _ in range(3)] == [True, True, False]
    assert bucket.remaining == 30
    assert bucket.admits(35, 0.5)
    assert bucket.admits(100, 1000)
    assert not bucket.admits(1, 1000)
