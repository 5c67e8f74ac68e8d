"""Readiness: which facts make an archive not ready, and what is said of it."""

from datetime import timedelta

import pytest

from archiver.app.config.schema import OpsConfig
from archiver.app.ops.readiness import account_reasons, explained, process_reasons
from archiver.model.errors import Denied
from archiver.model.recording import ListingName
from archiver.model.recording import Reason as WaitsFor
from archiver.ports.catalog import AccountStatus
from archiver.ports.statistics import Waiting
from tests.unit.app.ops.accounts import ACME, NOW, RECORDINGS, make_status, make_vitals, make_waiting, make_walk

BOUNDS = OpsConfig()


def test_what_is_fresh_is_ready() -> None:
    """T4: an account without a backlog, whose listings were read lately, gives no reason."""
    assert not list(account_reasons([make_status()], make_vitals(), BOUNDS, NOW))
    assert not list(process_reasons(make_vitals()))


@pytest.mark.parametrize(
    ("status", "code", "seconds", "limit"),
    [
        (make_status(oldest_unarchived_at=NOW - timedelta(hours=7), backlog=3), "unarchived_age", 25200, 21600),
        (make_status(next_expiry_at=NOW + timedelta(hours=3), backlog=1), "expiry_near", 10800, 172800),
        (make_status(next_expiry_at=NOW - timedelta(hours=1), backlog=1), "expiry_near", -3600, 172800),
        (make_status(walks={RECORDINGS: make_walk(timedelta(hours=3), "403")}), "walk_age", 10800, 7200),
        (make_status(walks={RECORDINGS: make_walk(None, "403")}), "walk_age", 0, 7200),
        (make_status(walks={}), "never_walked", 3600, 7200),
    ],
)
def test_a_bound_that_is_broken_is_a_reason(status: AccountStatus, code: str, seconds: int, limit: int) -> None:
    """T4: each bound gives its own reason, with what was measured and what is allowed."""
    (reason,) = account_reasons([status], make_vitals(), BOUNDS, NOW)
    answer = reason.as_json()
    assert (answer["account"], answer["code"], answer["seconds"], answer["limit"]) == (ACME, code, seconds, limit)
    assert answer["message"]


def test_trouble_is_a_reason_at_once() -> None:
    """T4: an account that is refused makes the archive not ready, with the provider's word."""
    vitals = make_vitals()
    vitals.accounts[ACME].fail(Denied("401: who are you"), NOW - timedelta(minutes=1))
    (reason,) = account_reasons([make_status()], vitals, BOUNDS, NOW)
    assert (reason.code, reason.seconds, "who are you" in reason.message) == ("account_failing", 60, True)


def test_what_is_not_configured_is_not_judged() -> None:
    """T4: an account that left the configuration keeps nobody from being ready; one that is new does."""
    stranger = make_status(account="former", walks={RECORDINGS: make_walk(timedelta(days=9))})
    reasons = list(account_reasons([stranger], make_vitals(), BOUNDS, NOW))
    assert [(reason.account, reason.code) for reason in reasons] == [(ACME, "never_walked")]


@pytest.mark.parametrize(
    ("waiting", "why"),
    [
        ([make_waiting(error="the audio is empty"), make_waiting(recording_id="r2")], "r1: the audio is empty"),
        ([make_waiting(reason=WaitsFor.NOT_READY)], "r1: the provider has no audio of it yet"),
        ([make_waiting()], "r1: it was not tried yet"),
        ([make_waiting(account="other", error="refused")], "UTC"),
    ],
)
def test_why_something_is_about_to_be_lost_is_said(waiting: list[Waiting], why: str) -> None:
    """T4: a reason that a recording waits names the most urgent one of its account, and its latest error."""
    status = make_status(next_expiry_at=NOW + timedelta(hours=3), backlog=1, walks={RECORDINGS: make_walk(None)})
    near, walk = explained(account_reasons([status], make_vitals(), BOUNDS, NOW), waiting)
    assert near.message.endswith(why)
    assert "r1" not in walk.message


def test_only_listings_that_are_configured_are_judged() -> None:
    """T4: a listing that the configuration asks for no more makes nothing unready; one that was never read does."""
    former = {RECORDINGS: make_walk(), ListingName("user:1"): make_walk(timedelta(days=9))}
    status = make_status(walks=former)
    assert [reason.code for reason in account_reasons([status], make_vitals(), BOUNDS, NOW)] == ["walk_age"]
    now_asked = make_vitals(listings=frozenset({RECORDINGS}))
    assert not list(account_reasons([status], now_asked, BOUNDS, NOW))
    new = make_vitals(listings=frozenset({RECORDINGS, ListingName("user:2")}))
    (reason,) = account_reasons([status], new, BOUNDS, NOW)
    assert (reason.code, "user:2" in reason.message) == ("never_walked", True)


def test_the_process_itself_may_not_be_ready() -> None:
    """T3, T4: before catalog and storage were reached, while they are away, and while it drains."""
    vitals = make_vitals()
    vitals.is_started, vitals.is_draining = False, True
    assert [reason.code for reason in process_reasons(vitals)] == ["draining", "starting"]
    vitals.catalog_trouble, vitals.storage_trouble, vitals.is_draining = "refused", "no room", False
    assert [reason.code for reason in process_reasons(vitals)] == ["catalog_unreachable", "storage_unreachable"]
