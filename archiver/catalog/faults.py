"""What went wrong at the database, said once in our words: it may come back, or repeating is of no use.

DSNs hold passwords, so nothing of them gets into a message, and what a parser says of them is not passed on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from archiver.model.errors import CatalogError, CatalogUnavailable, ConfigError

_PASSING: Final = (
    asyncpg.PostgresConnectionError,  # class 08, and a connection that was closed under us
    asyncpg.TransactionRollbackError,  # class 40: deadlocks and serialization failures
    asyncpg.InsufficientResourcesError,  # class 53: disk full, out of memory, too many connections
    asyncpg.OperatorInterventionError,  # class 57: shut down, cancelled, "the database system is starting up"
    asyncpg.IdleInTransactionSessionTimeoutError,  # we were stopped for long, or cut off
    asyncpg.LockNotAvailableError,
    asyncpg.ObjectInUseError,
    asyncpg.PostgresIOError,  # class 58
    asyncpg.ReadOnlySQLTransactionError,  # a standby after a failover, until the address points elsewhere
    asyncpg.InternalClientError,
    OSError,  # refused, reset, no socket; TimeoutError is one
)
_FIXES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (asyncpg.InvalidAuthorizationSpecificationError, "check the user and the password in catalog.dsn"),
    (asyncpg.InvalidCatalogNameError, "create the database, or name another one in catalog.dsn"),
    (asyncpg.InsufficientPrivilegeError, "let the user of catalog.dsn own the schema's tables"),
    (asyncpg.UndefinedTableError, "run: archiver migrate"),
    (asyncpg.UndefinedColumnError, "run: archiver migrate"),
    (asyncpg.UndefinedFunctionError, "run: archiver migrate"),
)


_DSN_FIX: Final = "write it like postgresql://user@host/database, special characters in percent form"


@contextmanager
def classified() -> Iterator[None]:
    """Raise what the driver raises inside as ``CatalogUnavailable`` or ``CatalogError``."""
    try:
        yield
    except asyncpg.DataError as error:  # its message, like a traceback of it, quotes the value
        raise CatalogError(f"the catalog cannot hold a value: {type(error).__name__}") from None
    except _PASSING as error:
        raise CatalogUnavailable(f"the catalog does not answer: {_said(error)}") from error
    except asyncpg.InterfaceError as error:
        raise _of_the_driver(error) from error
    except asyncpg.PostgresError as error:
        fix = next((fix for kind, fix in _FIXES if isinstance(error, kind)), None)
        raise CatalogError(f"the catalog refused: {_said(error)}", fix=fix) from error


@contextmanager
def connecting() -> Iterator[None]:
    """The same while a DSN is read. Raises: ConfigError when it cannot be, without a word of what stands in it."""
    with classified():
        try:
            yield
        except ValueError:
            raise ConfigError("the catalog's DSN cannot be read", key="catalog.dsn", fix=_DSN_FIX) from None


def _of_the_driver(error: asyncpg.InterfaceError) -> CatalogError:
    # The driver has one class for wrong use of a connection and for one that is closed, closing, or, since it was
    # closed under us, back in the pool already.
    if "clos" in str(error) or "released back to the pool" in str(error):
        return CatalogUnavailable(f"the catalog's connection is gone: {error}")
    return CatalogError(f"the catalog cannot be used: {error}")


def _said(error: Exception) -> str:
    if isinstance(error, asyncpg.PostgresError):
        error.detail = None  # quotes the row, and with it telephone numbers
    return str(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
