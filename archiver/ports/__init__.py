"""What the pipeline asks of the world. The docstrings are the contract; the suites in tests/contract hold adapters to it."""
