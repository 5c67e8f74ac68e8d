"""What the parts of the catalog's contract suite share."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, Protocol

import pytest

from archiver.model.listing import Checkpoint, WalkReport
from archiver.model.outcome import Outcome, Retry, Stored, Verified
from archiver.model.recording import Claim, Listed
from archiver.ports.catalog import Custody, Intake, Outlook, Record, View, Work
from tests.builders import (
    ACCOUNT,
    make_claim_request,
    make_listed,
    make_page,
    make_stored_object,
    make_walk_request,
)

SHORT: Final = timedelta(milliseconds=50)
"""A lease or a delay that a test lets run out."""

MOMENT: Final = timedelta(milliseconds=1)
HOUR: Final = timedelta(hours=1)
START: Final = Checkpoint()


class Catalog(Intake, Work, Custody, View, Protocol):
    """All four ports, as every adapter implements them."""


class CatalogSuite:
    """What a subclass gives: a fixture ``catalog``, empty, and a ``pass_time`` where time need not really pass."""

    async def pass_time(self, catalog: Catalog, duration: timedelta) -> None:
        """Let the catalog's clock go on."""
        await asyncio.sleep(duration.total_seconds())

    @pytest.fixture(autouse=True)
    async def enrolled(self, catalog: Catalog) -> None:
        """Every test finds one account."""
        await catalog.enrol(ACCOUNT, "vobiz", "MA_1")


def make_rows(count: int, **changes: Any) -> Sequence[Listed]:
    """The recordings ``r1`` to ``rN``."""
    return [make_listed(f"r{number}", **changes) for number in range(1, count + 1)]


async def record(catalog: Catalog, *rows: Listed, **changes: Any) -> None:
    """List these on one page of a full walk that never ends."""
    walk = await catalog.begin_walk(make_walk_request(**changes))
    await catalog.record(walk.id, make_page(*rows))


async def walk_all(catalog: Catalog, *rows: Listed, **changes: Any) -> WalkReport:
    """List these, and nothing else, in a complete walk (a full one, unless said otherwise)."""
    walk = await catalog.begin_walk(make_walk_request(**changes))
    await catalog.record(walk.id, make_page(*rows))
    return await catalog.end_walk(walk.id, None)


async def claim(catalog: Catalog, **changes: Any) -> Sequence[Claim]:
    """Claim in a pass of its own, which begins now, unless ``pass_started_at`` names another."""
    started_at = changes.pop("pass_started_at", None) or await catalog.now()
    return await catalog.claim(make_claim_request(started_at, **changes))


async def claim_one(catalog: Catalog, **changes: Any) -> Claim:
    """Claim the one recording that can be claimed."""
    (claimed,) = await claim(catalog, **changes)
    return claimed


async def claim_stored(catalog: Catalog) -> Claim:
    """Record ``r1``, claim it and store it: it is about to be read back."""
    await record(catalog, make_listed())
    claimed = await claim_one(catalog)
    await settle(catalog, Stored(claimed, make_stored_object()))
    return claimed


async def verify_one(catalog: Catalog) -> None:
    """Record ``r1`` and bring it to ``verified``."""
    await settle(catalog, Verified(await claim_stored(catalog), "read"))


async def suspect_one(catalog: Catalog, text: str = "too short") -> Claim:
    """Record ``r1`` and bring it to ``verified``, as a suspect; answers the claim of that pass."""
    await record(catalog, make_listed())
    claimed = await claim_one(catalog)
    await settle(catalog, Stored(claimed, make_stored_object(), suspect=text))
    await settle(catalog, Verified(claimed, "read"))
    return claimed


async def deny_one(catalog: Catalog) -> None:
    """Claim the one recording there is; the provider says that it does not exist."""
    await settle(catalog, Retry(await claim_one(catalog), "404", HOUR, is_missing=True))


async def settle(catalog: Catalog, *outcomes: Outcome) -> None:
    """Settle outcomes whose leases are ours."""
    assert await catalog.settle(outcomes) == frozenset()


async def show(catalog: Catalog, recording_id: str = "r1") -> Record:
    """The one record with this id."""
    (found,) = await catalog.lookup(recording_id, ACCOUNT)
    return found


async def look_out(catalog: Catalog, **changes: Any) -> Outlook:
    """The outlook of a pass that begins now, unless ``pass_started_at`` names another."""
    started_at = changes.pop("pass_started_at", None) or await catalog.now()
    return await catalog.outlook(make_claim_request(started_at, **changes))
