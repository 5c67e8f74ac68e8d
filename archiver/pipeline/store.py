"""Store: spool → storage. An object appears under its key complete, with its sidecar already there, or not at all.

A storage that is away for a moment is asked again here, so that a storm over there costs no second download.
"""

from dataclasses import dataclass, field
from typing import Final

from archiver.model.account import Account
from archiver.model.objects import Body, Key, KeyTemplate, StoredObject
from archiver.model.recording import Claim, State
from archiver.model.sidecar import SidecarFacts, render_sidecar
from archiver.pipeline.retry import RetryPolicy
from archiver.ports.storage import Publication, Storage

_REPLACEABLE: Final = frozenset({State.DAMAGED, State.VERIFIED})
"""What is verified is fetched again only when it is suspect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Where recordings of one account go: the storage, the template of keys, and whether sidecars are wanted.

    ``policy`` says how often a storage that is away for a moment is asked again.
    """

    storage: Storage
    template: KeyTemplate
    account: Account
    real_account_id: str
    has_sidecars: bool
    policy: RetryPolicy = field(default_factory=RetryPolicy)

    async def store(self, claim: Claim, body: Body, container: str, suspect: str | None) -> StoredObject:
        """Make a body durable under the recording's key, which is fixed at first store.

        Raises: what ``Storage.publish`` raises; ``StorageUnavailable`` only when it raised that again and again.
        """
        kept = StoredObject(
            key=claim.kept.key if claim.kept else self._key(claim, container),
            digest=body.digest,
            size_bytes=body.size_bytes,
            format=container,
            storage_url=self.storage.url,
        )
        publication = Publication(
            key=kept.key,
            body=body,
            sidecar=self._sidecar(claim, kept, suspect) if self.has_sidecars else None,
            lease=claim.lease,
            replaces=claim.kept.digest if claim.kept and claim.state in _REPLACEABLE else None,
        )
        await self.policy.persist(self.storage.publish, publication)
        return kept

    def _key(self, claim: Claim, container: str) -> Key:
        listed = claim.listed
        facts = {
            "account": self.account.name,
            "provider": self.account.provider,
            "recording_id": listed.recording_id,
            "direction": listed.direction or "",
            "listing": listed.listing,
            "format": container,
        }
        return self.template.key(facts, listed.started_at or claim.first_seen_at)

    def _sidecar(self, claim: Claim, kept: StoredObject, suspect: str | None) -> bytes:
        return render_sidecar(
            SidecarFacts(
                account=self.account.name,
                provider=self.account.provider,
                provider_account_id=self.real_account_id,
                listed=claim.listed,
                first_seen_at=claim.first_seen_at,
                kept=kept,
                suspect=suspect,
            )
        )
