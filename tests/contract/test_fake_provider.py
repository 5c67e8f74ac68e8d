"""The provider in memory keeps the contract, so that tests over it prove something."""

import pytest

from tests.contract.provider import ProviderContract
from tests.fakes.stage import FakeStage


class TestFakeProvider(ProviderContract):
    """The fake over five recordings."""

    @pytest.fixture
    def stage(self) -> FakeStage:
        """A fresh one."""
        return FakeStage()
