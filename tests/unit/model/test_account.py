"""Which recordings an operator selects, and secrets that are never seen."""

import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.model.account import Account, AccountName, Selection
from archiver.model.recording import Listed, ListingName, RecordingId
from archiver.model.secret import Secret
from archiver.model.units import Rate

seeded = settings(derandomize=True, database=None, deadline=None, max_examples=50)
LISTED = Listed(
    recording_id=RecordingId("1"),
    listing=ListingName("recordings"),
    started_at=datetime(2026, 11, 22, tzinfo=UTC),
    duration=timedelta(seconds=60),
    direction="inbound",
    from_number="+91 80-1234",
    to_number=None,
    type="on_demand",
    claimed_format="mp3",
    claimed_size=None,
    expires_at=None,
    document={},
    redacted=(),
    fingerprint=b"",
)
ACCOUNT = Account(
    name=AccountName("acme"),
    provider="vobiz",
    base_url="https://api.example",
    rate_limit=Rate(1, timedelta(seconds=1)),
    burst=1,
    concurrency=1,
    page_size=1,
    overlap=timedelta(0),
    lag=timedelta(0),
)


@pytest.mark.parametrize(
    "selection",
    [
        Selection(),
        Selection(direction={"inbound", "outbound"}),
        Selection(from_number={"9180 1234"}),
        Selection(number={"+91801234"}),
        Selection(type={"on_demand"}),
        Selection(listing={"recordings"}),
        Selection(format={"mp3"}),
        Selection(min_duration=timedelta(seconds=60), max_duration=timedelta(seconds=60)),
        Selection(direction={"inbound"}, format={"mp3"}, min_duration=timedelta(0)),
    ],
)
def test_agreeing_selections_match(selection: Selection) -> None:
    """Each field matches what it names; numbers by their digits, bounds inclusively; none matches all."""
    assert selection.matches(LISTED)


@pytest.mark.parametrize(
    "selection",
    [
        Selection(direction={"outbound"}),
        Selection(from_number={"9180"}),
        Selection(to_number={"+91801234"}),
        Selection(number={"1"}),
        Selection(type={"on"}),
        Selection(format={"wav"}),
        Selection(min_duration=timedelta(seconds=61)),
        Selection(max_duration=timedelta(seconds=59)),
        Selection(direction={"inbound"}, format={"wav"}),
    ],
)
def test_one_disagreement_is_enough(selection: Selection) -> None:
    """All given fields must agree."""
    assert not selection.matches(LISTED)


@pytest.mark.parametrize("bound", [{"min_duration": timedelta(0)}, {"max_duration": timedelta.max}])
def test_an_unknown_duration_matches_no_bound(bound: dict[str, timedelta]) -> None:
    """A recording of unknown duration is matched by neither bound."""
    assert not Selection(**bound).matches(replace(LISTED, duration=None))  # type: ignore[arg-type]  # only durations


@pytest.mark.parametrize(("wanted", "found"), [("anonymous", "restricted"), ("", None), ("sip:alice", "")])
def test_names_without_digits_are_not_all_the_same(wanted: str, found: str | None) -> None:
    """A caller without a number is not taken for every other one without a number."""
    assert not Selection(number={wanted}).matches(replace(LISTED, from_number=found))


def test_include_and_exclude_decide() -> None:
    """An account wants what is included and not excluded."""
    assert ACCOUNT.selects(LISTED)
    assert not replace(ACCOUNT, include=Selection(direction={"outbound"})).selects(LISTED)
    assert not replace(ACCOUNT, exclude=Selection(direction={"inbound"})).selects(LISTED)


@seeded
@given(st.text(st.characters(codec="ascii"), min_size=9))
def test_a_secret_is_never_seen(value: str) -> None:
    """S5: however it is formatted, a secret prints as stars."""
    secret = Secret(value)
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r:>60}",
        repr([secret]),
        repr({1: secret}),
    ]
    assert not any(value in text for text in shown if value.strip("*"))
    assert secret.reveal() == value


def test_a_secret_does_not_travel() -> None:
    """S5: a secret cannot be pickled, and has no dictionary to look into."""
    with pytest.raises(TypeError):
        pickle.dumps(Secret("x"))
    assert not hasattr(Secret("x"), "__dict__")


def test_secrets_compare_by_value() -> None:
    """Equal secrets are equal and hash alike; a secret equals nothing else."""
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a") != "a"
