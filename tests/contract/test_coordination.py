"""Budgets and scheduled runs: those in PostgreSQL and those in memory keep one contract."""

from datetime import timedelta

import pytest

from archiver.catalog.postgres import Catalog
from tests.contract.coordination import Coordination, CoordinationContract
from tests.fakes.clock import Clock
from tests.fakes.coordination import FakeCoordination


class TestPostgresCoordination(CoordinationContract):
    """On a real server."""

    @pytest.fixture
    def coordination(self, catalog: Catalog) -> Catalog:
        """A database of the test's own."""
        return catalog


class TestFakeCoordination(CoordinationContract):
    """In memory; the clock is moved by hand."""

    steered: Clock

    @pytest.fixture
    def coordination(self) -> FakeCoordination:
        """Nothing begun, nothing taken."""
        self.steered = Clock()
        return FakeCoordination(self.steered.now)

    async def pass_time(self, coordination: Coordination, duration: timedelta) -> None:
        """No time really passes."""
        self.steered.advance(duration)
