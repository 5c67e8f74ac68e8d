"""The dataflow: one stage, one file. It sees no adapter and no provider's name."""
