"""Several populations are one stock, told apart by the beginning of an id."""

from datetime import UTC, datetime

from archiver.sandbox.population import Habits, Plan, Population
from archiver.sandbox.shelves import Shelves

ANCHOR = datetime(2026, 6, 1, tzinfo=UTC)


def population(listing: str, count: int) -> Population:
    habits = Habits(name=lambda number, _at, _drawn: f"{listing}:{number}")
    return Population(listing, Plan(seed=1, count=count, anchor=ANCHOR), habits)


def shelves() -> Shelves:
    return Shelves({"company": population("company", 3), "user:7": population("user:7", 2)})


def test_ids_lead_to_their_listing() -> None:
    """An id finds the recording of its own listing only, and one of no listing finds nothing."""
    stock = shelves()
    found, twin = stock.find("company:1"), stock.find("user:7:1")
    assert stock.ids() == ["company:2", "company:1", "company:0", "user:7:1", "user:7:0"]
    assert found is not None
    assert twin is not None
    assert found.clip != twin.clip
    assert stock.find("user:8:1") is stock.find("company:3") is stock.find("1") is None


def test_additions_are_spread() -> None:
    """Odd numbers go to the first listings."""
    stock = shelves()
    assert stock.add(3, ANCHOR) == ["company:3", "company:4", "user:7:2"]


def test_deletes_reach_their_listing_only() -> None:
    """A twin of the same number stays; what was deleted is still known."""
    stock = shelves()
    assert stock.delete("user:7:1")
    assert not stock.delete("user:7:1")
    assert not stock.delete("user:8:1")
    assert stock.find("company:1") is not None
    assert stock.was("user:7:1").recording_id == "user:7:1"
