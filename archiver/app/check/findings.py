"""What a check finds: all is well, or what is wrong, where, and how to fix it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from archiver.model.errors import (
    ArchiverError,
    CatalogError,
    ConfigError,
    Denied,
    StorageError,
    Transient,
)

CONFIGURATION: Final = "configuration"
CATALOG: Final = "catalog"
STORAGE: Final = "storage"
ACCOUNTS: Final = "accounts"
CLOCK: Final = "clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a look came to; ``trouble`` None: all is well.

    ``where`` is a part of the configuration such as ``storage`` or ``accounts.acme``, or ``clock``.
    """

    where: str
    message: str
    trouble: ArchiverError | None = None

    @property
    def fix(self) -> str:
        """What to do about the trouble; empty where there is none."""
        return (self.trouble and self.trouble.fix) or ""


def problem(where: str, error: ArchiverError) -> Finding:
    """The finding that an error stands for; the account is not named again in the message."""
    account = f"account {error.account}: " if error.account else ""
    return Finding(where=where, message=str(error).removeprefix(account), trouble=error)


def configuration_problems(error: ConfigError) -> Sequence[Finding]:
    """Each thing that is wrong in the file, where an error of ``load`` tells several at once."""
    if not error.places:
        return [problem(CONFIGURATION, error)]
    return [problem(f"{one.line} {one.key}", ConfigError(one.message, fix=one.fix)) for one in error.places]


def exit_code(findings: Sequence[Finding]) -> int:
    """0 all is well; 2 the configuration is wrong, or every account refused; 3 out of reach; 1 anything else."""
    troubles = [finding.trouble for finding in findings if finding.trouble]
    accounts = [finding.trouble for finding in findings if finding.where.startswith(f"{ACCOUNTS}.")]
    if any(isinstance(trouble, ConfigError) for trouble in troubles):
        return 2
    if any(isinstance(trouble, (CatalogError, StorageError)) for trouble in troubles):
        return 3
    if accounts and all(isinstance(trouble, Denied) for trouble in accounts):
        return 2
    if accounts and all(isinstance(trouble, (Denied, Transient)) for trouble in accounts):
        return 3
    return 1 if troubles else 0
