"""``archiver check``: looks at all that a run needs and says what is wrong, each with its fix.

Nothing is repaired, nothing is waited for: each look has 30 s, and all of them are taken whatever the others find.
The catalog is only read, and an embedded one that is not there yet is not made. The storage is written to, since
nothing else proves that it can be. Offline no connection is opened and nothing is written.
"""

from archiver.app.check.findings import CONFIGURATION, Finding, configuration_problems, exit_code
from archiver.app.check.looks import Check

__all__ = ["CONFIGURATION", "Check", "Finding", "configuration_problems", "exit_code"]
