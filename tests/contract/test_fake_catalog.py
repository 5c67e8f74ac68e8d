"""The catalog in memory keeps the contract of the real one."""

from datetime import timedelta

import pytest

from tests.contract.catalog import Catalog, CatalogContract
from tests.fakes.catalog import FakeCatalog


class TestFakeCatalog(CatalogContract):
    """The suite over the fake; its clock is moved by hand."""

    @pytest.fixture
    def catalog(self) -> FakeCatalog:
        """An empty catalog."""
        return FakeCatalog()

    async def pass_time(self, catalog: Catalog, duration: timedelta) -> None:
        """No time really passes."""
        assert isinstance(catalog, FakeCatalog)
        catalog.clock.advance(duration)
