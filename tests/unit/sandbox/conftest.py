"""A sandbox of its own for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.sandbox.guests import KazooGuest, VbcGuest, visit_kazoo, visit_vbc
from tests.unit.sandbox.visitor import Visitor, visit


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    """A visitor of a small sandbox in which nothing arrives late."""
    async with visit() as visitor:
        yield visitor


@pytest.fixture
async def vbc() -> AsyncIterator[VbcGuest]:
    """A guest of a small VBC in which nothing arrives late."""
    async with visit_vbc() as guest:
        yield guest


@pytest.fixture
async def kazoo() -> AsyncIterator[KazooGuest]:
    """A guest of a small Kazoo in which no row arrives late."""
    async with visit_kazoo() as guest:
        yield guest
