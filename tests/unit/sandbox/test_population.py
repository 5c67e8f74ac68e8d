"""The population is a function of seed and anchor, and changes only as told."""

from datetime import UTC, datetime, timedelta

import pytest

from archiver.sandbox.audio import Encoding
from archiver.sandbox.population import SPAN, Habits, Plan, Population

ANCHOR = datetime(2026, 6, 1, tzinfo=UTC)


def population(seed: int = 1, count: int = 300, late_arrivals: int = 0) -> Population:
    return Population("vobiz", Plan(seed=seed, count=count, anchor=ANCHOR, late_arrivals=late_arrivals))


def test_the_same_seed_and_anchor_give_the_same_recordings() -> None:
    """Two populations of one plan are equal in every fact; another seed shares no id."""
    first, again, other = population(), population(), population(seed=2)
    assert list(first.all_newest_first()) == list(again.all_newest_first())
    assert not set(first.ids()) & set(other.ids())


def test_recordings_are_spread_over_thirty_days_newest_first() -> None:
    """Times fall strictly from the anchor back, and the oldest is within the span."""
    times = [recording.added_at for recording in population().all_newest_first()]
    assert times == sorted(set(times), reverse=True)
    assert ANCHOR - SPAN <= times[-1] < ANCHOR - SPAN * 0.99
    assert times[0] <= ANCHOR


def test_every_encoding_and_many_lengths_occur() -> None:
    """Among 300 recordings are MP3, PCM and µ-law, between 2 and 60 s, most of them 3 to 20 s."""
    clips = [recording.clip for recording in population().all_newest_first()]
    usual = [clip for clip in clips if 3000 <= clip.duration_ms <= 20_000]
    assert {clip.encoding for clip in clips} == set(Encoding)
    assert all(1950 <= clip.duration_ms <= 60_050 for clip in clips)
    assert len(usual) > 0.8 * len(clips)


def test_one_call_can_have_two_recordings() -> None:
    """A call id is no identity: some are shared."""
    recordings = list(population().all_newest_first())
    assert len({recording.call_id for recording in recordings}) == 240


@pytest.mark.parametrize("offset", [0, 1, 299, 300, 1000])
def test_a_page_is_a_slice_of_the_listing(offset: int) -> None:
    """Any offset and limit give the same recordings as the whole listing does there; behind the end there are none."""
    stock = population()
    assert stock.newest(offset, 7) == list(stock.all_newest_first())[offset : offset + 7]


def test_late_arrivals_join_at_the_head() -> None:
    """Withheld recordings don't exist at first; after four pages all are there, newer than everything before."""
    stock, whole = population(late_arrivals=5), population()
    early = stock.ids()
    assert stock.find(whole.ids()[0]) is None
    for _ in range(4):
        stock.note_listing()
    assert early == whole.ids()[5:]
    assert stock.ids() == whole.ids()


@pytest.mark.parametrize("now", [ANCHOR - timedelta(days=40), ANCHOR + timedelta(days=40)])
def test_added_recordings_lie_at_the_head(now: datetime) -> None:
    """Added recordings are newer than all others, whatever the clock says."""
    stock = population(count=3)
    added = stock.add(2, now)
    times = [recording.added_at for recording in stock.all_newest_first()]
    assert stock.ids()[:2] == added[::-1]
    assert times == sorted(set(times), reverse=True)


def test_an_empty_population_can_grow() -> None:
    """A population of none lists nothing until something is added."""
    stock = population(count=0, late_arrivals=5)
    assert stock.newest(0, 10) == []
    assert stock.add(1, ANCHOR) == stock.ids()


def test_a_deleted_recording_is_gone_once() -> None:
    """Deleting removes a recording from the listing and cannot be repeated; what it was stays known."""
    stock = population(count=3)
    victim = stock.ids()[1]
    assert stock.delete(victim)
    assert not stock.delete(victim)
    assert stock.find(victim) is None
    assert (len(stock), stock.was(victim).recording_id) == (2, victim)


def test_a_window_includes_both_ends() -> None:
    """between gives ids and times newest first, from one time to another, or without bounds."""
    stock = population(count=20)
    whole = stock.between(None, None)
    assert [stamp.recording_id for stamp in whole] == stock.ids()
    assert stock.between(whole[9].added_at, whole[3].added_at) == whole[3:10]
    assert stock.between(None, whole[18].added_at) == whole[18:]
    assert stock.between(ANCHOR + timedelta(days=1), None) == []


def test_late_arrivals_may_be_anywhere() -> None:
    """D3: with that habit, rows that appear lie in the middle, and are the same for the same seed."""
    plan = Plan(seed=1, count=100, anchor=ANCHOR, late_arrivals=5)
    stock, again = (Population("late", plan, Habits(late_anywhere=True)) for _ in range(2))
    early = stock.ids()
    for _ in range(4):
        stock.note_listing()
    late = set(stock.ids()) - set(early)
    assert (len(early), len(late), again.ids()) == (95, 5, early)
    assert max(stock.ids().index(name) for name in late) > 20


def test_habits_shape_ids_times_and_encodings() -> None:
    """An id is made of number and time, single moments can be set, and only the chosen encodings occur."""
    moment = ANCHOR - timedelta(days=5, seconds=1)
    habits = Habits(
        span=timedelta(days=10),
        encodings=(Encoding.MP3,),
        name=lambda number, added_at, _drawn: f"{number}/{added_at:%d}",
        moments={5: moment},
    )
    recordings = list(Population("shaped", Plan(seed=1, count=10, anchor=ANCHOR), habits).all_newest_first())
    assert recordings[4].added_at == moment
    assert recordings[4].recording_id == "5/26"
    assert recordings[-1].added_at < ANCHOR - timedelta(days=9)
    assert {recording.clip.encoding for recording in recordings} == {Encoding.MP3}
