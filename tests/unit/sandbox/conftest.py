"""A sandbox of its own for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.sandbox.visitor import Visitor, visit


@pytest.fixture
async def visitor() -> AsyncIterator[Visitor]:
    """A visitor of a small sandbox in which nothing arrives late."""
    async with visit() as visitor:
        yield visitor
