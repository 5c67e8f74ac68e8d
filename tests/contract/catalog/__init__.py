"""The contract suite of the catalog ports: one test per sentence of their docstrings.

An adapter's test subclasses ``CatalogContract`` and gives a fixture ``catalog``, an empty catalog that implements
``Intake``, ``Work``, ``Custody`` and ``View``. Where time need not really pass it also overrides ``pass_time``.
"""

from tests.contract.catalog.claims import ClaimContract
from tests.contract.catalog.custody import CustodyContract
from tests.contract.catalog.incremental import IncrementalContract
from tests.contract.catalog.intake import IntakeContract
from tests.contract.catalog.outcomes import OutcomeContract
from tests.contract.catalog.setting import Catalog
from tests.contract.catalog.suspects import SuspectContract
from tests.contract.catalog.view import ViewContract
from tests.contract.catalog.walks import WalkContract

__all__ = ["Catalog", "CatalogContract"]


class CatalogContract(
    WalkContract,
    IncrementalContract,
    IntakeContract,
    ClaimContract,
    OutcomeContract,
    SuspectContract,
    CustodyContract,
    ViewContract,
):
    """All that a catalog promises."""
