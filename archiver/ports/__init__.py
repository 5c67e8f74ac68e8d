"""What the pipeline asks of the world. The docstrings are the contract, held by tests/contract."""
