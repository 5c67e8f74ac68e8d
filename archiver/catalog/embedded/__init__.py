"""The private PostgreSQL behind ``dsn = "embedded:PATH"``: started by the first command, stopped by the last one out.

Context: `backfill`, `status` and the daemon use one PATH at the same time, start in any order and die in any way.
Decision: nobody owns the server. Commands and server hold ``flock`` locks, which the kernel releases with their
holder, so no pid and no leftover file is ever believed: a dead command counts no longer, and the lock which the
server's own processes inherit is free exactly when none of them lives. Whoever uses the server restarts it.
Price: each user looks at the server once a second, and PATH must lie on a file system that honours ``flock``.
"""

from archiver.catalog.embedded.entry import embedded_server

__all__ = ["embedded_server"]
