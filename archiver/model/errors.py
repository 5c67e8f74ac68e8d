"""The error tree. An error is named by what to do next, and says in its message the thing, the cause and the fix.

    ArchiverError                      everything that we raise on purpose
    ├── ConfigError                    stop: the operator must change something            exit 2
    ├── Transient                      try again, not before ``retry_after``
    │   ├── Throttled                  the provider said "slow down": the whole credential is silent until then
    │   ├── Unreachable                no answer: refused, reset, timed out, name not found
    │   └── NotReady                   the media is not there yet: waiting, which uses no attempt
    ├── Permanent                      trying again will not help
    │   └── Gone                       the provider says that the thing does not exist
    ├── Denied                         the credentials are refused: pause the account, tell the operator
    ├── ListingError                   a listing that cannot be believed: unknown shape, a loop, a lying page
    │   └── WindowTooLarge             the provider wants a shorter window: halve it and ask again
    ├── IntegrityError                 what arrived is not the recording: refuse it, try again
    │   └── Doubtful                   audio that contradicts what was claimed of it; kept if it comes again and again
    ├── LeaseLost                      somebody else holds the work now: drop it, change nothing
    ├── Held                           somebody else is at it, and holds it until ``retry_after``: leave it, or wait
    ├── CatalogError                   a catalog that cannot be used                       exit 3
    │   └── CatalogUnavailable         it may come back: wait for it
    └── StorageError                   a storage that cannot be used or has no room        exit 3
        ├── StorageUnavailable         it may pass: a storm, a cut, a conflict; try again
        └── KeyTaken                   other bytes lie under the key; they were not replaced

Adapters translate status codes and client exceptions into these, once; the pipeline decides what follows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta


class ArchiverError(Exception):
    """What went wrong, with the facts as attributes.

    ``code`` is a stable word for scripts. ``fix`` says what the reader can do: what the raiser knew, else the
    ``remedy`` that is usual for such an error. ``key`` names a configuration key, ``account`` an account,
    ``request_id`` the provider's id of the failed request (for its support).
    """

    code = "error"
    remedy = "run it again with --log-level debug, and report what it says"

    def __init__(
        self,
        message: str,
        *,
        fix: str | None = None,
        key: str | None = None,
        account: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix or self.remedy
        self.key = key
        self.account = account
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.message} (request {self.request_id})" if self.request_id else self.message

    def facts(self) -> Mapping[str, str]:
        """The error as scripts read it: ``code`` and ``message``, and ``key``, ``account``, ``fix`` where known."""
        optional = {"key": self.key, "account": self.account, "fix": self.fix}
        return {"code": self.code, "message": str(self)} | {name: value for name, value in optional.items() if value}


@dataclass(frozen=True, slots=True)
class Place:
    """One of several things that are wrong in a configuration: its line (``config.toml:12``), key, what, the fix."""

    line: str
    key: str
    message: str
    fix: str | None = None


class ConfigError(ArchiverError):
    """The configuration or the command line is wrong; nothing was requested yet.

    ``places`` are the single things that are wrong, where the message tells several at once.
    """

    code = "config"
    remedy = "correct it in the configuration, or on the command line"
    places: Sequence[Place] = ()


class Transient(ArchiverError):
    """Trying again may help; ``retry_after`` is the least wait that the other side asked for, if it did."""

    code = "transient"
    remedy = "it is tried again by itself; if it goes on, ask the provider's support"

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta | None = None,
        account: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, account=account, request_id=request_id)
        self.retry_after = retry_after


class Throttled(Transient):
    """The provider asked for silence; the limiter of the credential is already frozen when this is raised."""

    code = "throttled"
    remedy = "it is tried again by itself; if it goes on, lower the account's rate_limit"


class Unreachable(Transient):
    """No usable answer came: the connection was refused, reset or timed out, or the name has no address."""

    code = "unreachable"
    remedy = "check base_url, the network and the firewall here, and whether the provider is up"


class NotReady(Transient):
    """The recording is listed, its media is not there yet. Waiting uses no attempt."""

    code = "not_ready"
    remedy = "it is asked for again by itself, as soon as the provider may have it"


class Permanent(ArchiverError):
    """The request can never succeed as it stands."""

    code = "permanent"
    remedy = "`archiver retry ID` tries once more; if it stays, ask the provider about this recording"


class Gone(Permanent):
    """The provider says that this recording does not exist (any more)."""

    code = "gone"
    remedy = "nothing can be fetched any more; ask the provider whether it was deleted there"


class Denied(ArchiverError):
    """The provider refuses the credentials, or the account as a whole."""

    code = "denied"
    remedy = "check the account's credentials, and that they may read recordings; then run again"


class ListingError(ArchiverError):
    """A page that cannot be believed. It is never an empty page; the walk ends and is recorded as incomplete."""

    code = "listing"
    remedy = "check base_url and the account's ids; if they are right, the provider's answers have changed: report it"


class WindowTooLarge(ListingError):
    """The listing cannot be read for so long a time at once; two halves of it can."""

    code = "window_too_large"


class IntegrityError(ArchiverError):
    """The bytes that arrived are not the recording: cut, empty, an error page, or no audio at all."""

    code = "integrity"
    remedy = "it is fetched again by itself; if it goes on, ask the provider for this recording"


class Doubtful(IntegrityError):
    """Audio came, and it is not what was claimed: cut, shorter, empty, of another size. ``digest`` is its SHA-256."""

    code = "doubtful"

    def __init__(self, message: str, digest: bytes) -> None:
        super().__init__(message)
        self.digest = digest


class LeaseLost(ArchiverError):
    """The lease ran out and somebody else took the work; nothing of ours may be written any more."""

    code = "lease_lost"
    remedy = "nothing is lost: another process works on it"


class Held(ArchiverError):
    """Somebody else is at it, and holds it for ``retry_after`` from now at least."""

    code = "held"
    remedy = "nothing is lost: another process works on it"

    def __init__(self, message: str, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CatalogError(ArchiverError):
    """The catalog cannot be used: wrong schema, newer than the program, permission refused."""

    code = "catalog"
    remedy = "look into the server's log"


class CatalogUnavailable(CatalogError):
    """The catalog does not answer, or cut the session. Every catalog call may be repeated after this."""

    code = "catalog_unavailable"
    remedy = "check that the server runs, and that catalog.dsn names it"


class StorageError(ArchiverError):
    """The storage cannot be written or read, or has no room left."""

    code = "storage"
    remedy = "check storage.url and the disk"


class StorageUnavailable(StorageError):
    """The storage did not answer, or asked to be left alone for a while. Every storage call may be repeated then."""

    code = "storage_unavailable"
    remedy = "it is tried again by itself; if it goes on, check the storage's endpoint and the network"


class KeyTaken(StorageError):
    """Another object lies under the key. The new bytes were put aside, the old ones are untouched."""

    code = "key_taken"
