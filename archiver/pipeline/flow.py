"""One recording from claim to verified: the stages by name, and the order of their durable effects.

    download   the body is in the spool                       nothing durable
    accept     it is the recording, doubtful, or refused      nothing durable
    store      part synced → sidecar → object under its key   durable in storage
    settle     the catalog says ``stored``                    durable in the catalog
    verify     read back from the medium, equal               nothing durable
    settle     the catalog says ``verified``                  durable in the catalog

A crash between any two lines only repeats work: an object that lies under its key already is adopted, and a recording
that is ``stored`` is claimed again to be read back. Nothing here ever deletes. A verified suspect takes the same way
once more: sound bytes replace it, and otherwise it is settled as confirmed.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

import structlog

from archiver.model.errors import (
    ArchiverError,
    CatalogError,
    Denied,
    Doubtful,
    Gone,
    IntegrityError,
    LeaseLost,
    NotReady,
    Permanent,
    StorageError,
    Transient,
)
from archiver.model.objects import Digest, StoredObject
from archiver.model.outcome import Confirmed, Damaged, Failed, Outcome, Released, Retry, Stored, Verified, Wait
from archiver.model.recording import Claim, State
from archiver.pipeline.accept import accept
from archiver.pipeline.bandwidth import Bandwidth
from archiver.pipeline.download import download
from archiver.pipeline.registrar import Registrar
from archiver.pipeline.retry import RetryPolicy
from archiver.pipeline.spool import Spool
from archiver.pipeline.store import Shelf
from archiver.pipeline.suspicion import Confirm, weigh
from archiver.pipeline.tally import Tally
from archiver.pipeline.verify import verify
from archiver.ports.provider import Provider

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The stages of one account's recordings."""

    provider: Provider
    shelf: Shelf
    registrar: Registrar
    policy: RetryPolicy
    tally: Tally
    bandwidth: Bandwidth

    async def carry(self, claim: Claim) -> None:
        """Carry a claimed recording as far as it goes, and settle what became of it.

        Raises: Denied when the provider refuses the account (the claim is given back); CatalogError when the catalog
        stayed away. Everything else is recorded on the recording.
        """
        try:
            kept = claim.kept if claim.state is State.STORED else await self._fetch(claim)
            if kept is not None:
                await self._verify(claim, kept)
        except asyncio.CancelledError:
            await self._give_back(claim)
            raise
        except Denied:
            await self._give_back(claim)
            raise
        except LeaseLost as error:
            self._report(claim, error)
        except CatalogError:
            raise
        except ArchiverError as error:
            await self._settle_failure(claim, error)
        except Exception as error:
            account, recording_id = self.shelf.account.name, claim.listed.recording_id
            log.exception("recording_broke_us", account=account, recording_id=recording_id)
            await self._settle_failure(claim, Transient(f"internal error: {type(error).__name__}: {error}"))

    async def _fetch(self, claim: Claim) -> StoredObject | None:
        """Bring the recording into storage; None when that only confirmed what is kept already."""
        spool, began_at = Spool(self.shelf.storage.spool, claim.lease), time.monotonic()
        try:
            got = await download(self.provider, claim, spool, self.bandwidth)
            accepted = await accept(got.body, claim.listed, got.declared_bytes, self.provider.capabilities.claims)
            verdict = weigh(claim, got.body.digest, accepted.doubt, is_last=self._is_last(claim))
            if isinstance(verdict, Confirm):
                await spool.discard()
                await self._confirm(claim, verdict.suspect)
                return None
            kept = await self.shelf.store(claim, got.body, accepted.container, verdict.suspect)
        except BaseException:
            with suppress(StorageError):  # what stopped us counts; a part that is left is swept with its lease
                await spool.discard()
            raise
        await self.registrar.settle(Stored(claim, kept, verdict.suspect))
        self.tally.count_stored(kept.size_bytes, time.monotonic() - began_at)
        if verdict.suspect is not None and claim.suspect is None:
            self.tally.suspect += 1
            log.warning("recording_suspect", **self._names(claim), reason=verdict.suspect)
        return kept

    async def _confirm(self, claim: Claim, suspect: str) -> None:
        """Leave a suspect as it is, if it is there: a run that was killed while it replaced it may have moved it.

        Raises: StorageError when that cannot be seen.
        """
        if claim.kept is None:
            raise RuntimeError(f"row {claim.row} is suspect, and has no object")
        found = await verify(self.shelf.storage, claim, claim.kept, self.policy)
        if isinstance(found, Verified):
            await self.registrar.settle(Confirmed(claim, suspect))
            log.info("suspect_confirmed", **self._names(claim), reason=suspect)
            return
        await self.registrar.settle(found)
        self._report(claim, IntegrityError(found.error))

    async def _verify(self, claim: Claim, kept: StoredObject) -> None:
        outcome = await verify(self.shelf.storage, claim, kept, self.policy)
        await self.registrar.settle(outcome)
        self.tally.count_read(_read(outcome))
        if isinstance(outcome, Verified):
            self.tally.verified += claim.state is not State.STORED
            log.info("recording_verified", **self._names(claim), size_bytes=kept.size_bytes, key=kept.key)
            return
        self._report(claim, IntegrityError(outcome.error))

    async def _settle_failure(self, claim: Claim, error: ArchiverError) -> None:
        self._report(claim, error)
        with suppress(LeaseLost):
            try:
                if isinstance(error, Permanent) and claim.state is State.VERIFIED:
                    await self._confirm(claim, f"{claim.suspect}; it could not be fetched once more: {error}")
                    return
            except StorageError as trouble:
                error = trouble
            await self.registrar.settle(self._outcome(claim, error))

    def _outcome(self, claim: Claim, error: ArchiverError) -> Outcome:
        asked = error.retry_after if isinstance(error, Transient) else None
        if isinstance(error, NotReady) and claim.state is State.PENDING:
            return Wait(claim, str(error), max(self.policy.not_ready, asked or self.policy.not_ready))
        if isinstance(error, Permanent) and not isinstance(error, Gone):
            self.tally.failed += 1
            return Failed(claim, str(error))
        failures = claim.attempts if self._is_last(claim) else claim.attempts_in_pass
        return Retry(
            claim,
            str(error),
            self.policy.pause(failures, asked),
            is_missing=isinstance(error, Gone),
            refused=Digest(error.digest) if isinstance(error, Doubtful) else None,
        )

    def _is_last(self, claim: Claim) -> bool:
        """Whether the pass has no further attempt for this recording."""
        return claim.attempts_in_pass + 1 >= self.policy.max_attempts

    async def _give_back(self, claim: Claim) -> None:
        with suppress(ArchiverError):
            await self.registrar.settle(Released(claim))

    def _report(self, claim: Claim, error: ArchiverError) -> None:
        self.tally.count_refused(error)
        log.warning("recording_not_archived", **self._names(claim), code=error.code, error=str(error))

    def _names(self, claim: Claim) -> dict[str, str]:
        return {"account": self.shelf.account.name, "recording_id": claim.listed.recording_id}


def _read(outcome: Verified | Damaged) -> str:
    """What reading a copy back came to, in a word."""
    if isinstance(outcome, Verified):
        return "ok"
    return "missing" if outcome.is_missing else "damaged"
