"""``archiver run``: duties of accounts, woken by schedules, until a signal says to drain."""
