"""When to try again: how long to pause after a failure, and how to outlast an outage.

Three kinds of trying again, never mixed: a recording's attempts are counted and scheduled in the catalog (``pause``
says when), a listing's page is asked for again on the spot (``persist``), and a catalog that went away is waited for
(``outlast``). Waiting itself is stamina's: it is cancellable at once and honours the pause that an error asks for.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, ParamSpec, TypeVar

import stamina
import structlog
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from archiver.model.errors import ArchiverError, CatalogUnavailable, StorageError, StorageUnavailable, Transient

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

GIVE_BACK_WITHIN: Final = timedelta(seconds=2)
"""So long is waited for work to be given back. Whoever does so is on the way out, and a lease runs out by itself."""

PATIENCE: Final = timedelta(minutes=5)
"""So long a one-shot waits for a catalog or a storage to return."""

_LARGEST_EXPONENT: Final = 32


def _tell(details: RetryDetails) -> None:
    error = details.caused_by
    code = error.code if isinstance(error, ArchiverError) else type(error).__name__
    log.warning("retry", code=code, error=str(error), failures=details.retry_num, pause_s=round(details.wait_for, 1))


set_on_retry_hooks([_tell])  # the library's own words name no account, but a block of our code


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The bounds of trying again.

    ``backoff`` is the first pause, doubled each time up to ``longest``, with jitter. ``not_ready`` is the pause before
    media that was not there yet is asked for again. ``max_attempts`` counts per pass and recording, and per page of a
    walk. ``patience`` is how long a catalog or a storage may be away before we give up; None for ever.
    """

    max_attempts: int = 5
    backoff: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(hours=6)
    not_ready: timedelta = timedelta(minutes=2)
    patience: timedelta | None = PATIENCE

    def pause(self, failures: int, asked: timedelta | None = None) -> timedelta:
        """The pause after so many failures in a row (0 for the first): never shorter than what was asked for."""
        doubled = min(self.longest, self.backoff * 2 ** min(failures, _LARGEST_EXPONENT))
        jittered: timedelta = doubled * random.uniform(0.5, 1.0)  # noqa: S311  spreads load, guards no secret
        return max(jittered, asked or timedelta(0))

    async def persist(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a provider call, or publish, again after each ``Transient`` or ``StorageUnavailable``.

        ``max_attempts`` times at most; raises the last error.
        """
        failures = 0

        def wait(error: Exception) -> timedelta | bool:
            nonlocal failures
            failures += 1
            if isinstance(error, StorageUnavailable):
                return self.pause(failures - 1)
            return self.pause(failures - 1, error.retry_after) if isinstance(error, Transient) else False

        async for attempt in stamina.retry_context(on=wait, attempts=self.max_attempts, timeout=None):
            with attempt:
                return await call(*args, **kwargs)
        raise AssertionError("stamina ends with a value or the last error")

    async def outlast(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a catalog or storage call, again while the other side is away; after ``patience`` raises the last error.

        Every such call may be repeated: the ports promise that a repeat changes nothing more.
        """
        async for attempt in stamina.retry_context(
            on=(CatalogUnavailable, StorageError), attempts=None, timeout=self.patience, wait_initial=0.1, wait_max=5.0
        ):
            with attempt:
                return await call(*args, **kwargs)
        raise AssertionError("stamina ends with a value or the last error")
