"""Months hold what they should, whatever the number of recordings and the anchor."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from archiver.sandbox.kazoo_months import SPAN, Months, gregorian
from archiver.sandbox.population import Plan

ANCHORS = [
    datetime(2026, 7, 31, 12, tzinfo=UTC),
    datetime(2026, 3, 1, tzinfo=UTC),
    datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC),
]


def months(anchor: datetime, count: int, straddlers: int = 2) -> Months:
    return Months("kazoo", Plan(seed=1, count=count, anchor=anchor), straddlers)


def test_gregorian_seconds_begin_with_the_year_nought() -> None:
    """D5: the difference to Unix time is 62,167,219,200 s."""
    assert gregorian(datetime(1970, 1, 1, tzinfo=UTC)) == 62_167_219_200
    assert gregorian(datetime(2026, 6, 1, tzinfo=UTC)) == 63_947_491_200


@pytest.mark.parametrize("anchor", ANCHORS)
@pytest.mark.parametrize("count", [0, 1, 24, 300, 20_000])
def test_times_keep_their_order(anchor: datetime, count: int) -> None:
    """Moving straddlers to the change of month changes neither the order of recordings nor their number."""
    times = [stamp.added_at for stamp in months(anchor, count).population.between(None, None)]
    assert times == sorted(times, reverse=True)
    assert len(times) == count


@pytest.mark.parametrize("anchor", ANCHORS)
def test_both_defects_are_at_every_seam(anchor: datetime) -> None:
    """Each change of month that has recordings after it has one of either kind, saved within seconds of it."""
    stock = months(anchor, 300)
    by_turn: dict[datetime, list[bool]] = {}
    for name, straddler in stock.straddlers.items():
        assert stock.population.was(name).added_at - straddler.turn < timedelta(seconds=11)
        by_turn.setdefault(straddler.turn, []).append(straddler.is_hidden)
        assert stock.is_retrievable(name) == straddler.is_hidden
    assert 1 < len(by_turn) < 4
    assert all(sorted(kinds) == [False, True] for kinds in by_turn.values())


def test_a_window_around_each_turn_shows_all() -> None:
    """D1: windows of a month miss exactly the hidden ones; one over each change of month finds them."""
    stock = months(ANCHORS[0], 300)
    ids = set(stock.population.ids())
    turns = sorted({straddler.turn for straddler in stock.straddlers.values()})
    edges = [ANCHORS[0] - SPAN, *turns, ANCHORS[0]]
    pairs = pairwise(edges)
    aligned = {key.recording_id for a, b in pairs for key in stock.keys(gregorian(a), gregorian(b) - 1)}
    seams = {key.recording_id for turn in turns for key in stock.keys(gregorian(turn) - 1, gregorian(turn) + 60)}
    assert ids - aligned == {name for name, straddler in stock.straddlers.items() if straddler.is_hidden}
    assert aligned | seams == ids


def test_straddlers_can_be_left_out() -> None:
    """With none, everything can be retrieved."""
    assert not months(ANCHORS[0], 300, straddlers=0).straddlers
