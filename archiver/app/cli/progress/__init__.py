"""How far a run is: a table that lives on a terminal, a calm line now and then elsewhere, always on stderr.

A display only reads what the work counts anyway, four times a second or every ten seconds. Between two looks nothing
is computed, and a terminal that stands still (Ctrl-S, a slow line) holds up the display only.
"""

from archiver.app.cli.progress.archiving import backfill_progress
from archiver.app.cli.progress.fixity import FixityTally, verify_progress

__all__ = ["FixityTally", "backfill_progress", "verify_progress"]
