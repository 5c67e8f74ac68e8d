"""The catalog in PostgreSQL, held to the contract of its ports."""

from tests.contract.catalog import CatalogContract


class TestPostgresCatalog(CatalogContract):
    """Every sentence of the ports, on a real server; the fixture ``catalog`` is a database of the test's own."""
