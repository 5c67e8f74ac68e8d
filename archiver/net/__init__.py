"""HTTP for all adapters: one layer, one limiter per credential, one place that knows hosts."""
