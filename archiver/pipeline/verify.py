"""Verify: read back what is kept, from the medium, and compare digests."""

from archiver.model.objects import StoredObject
from archiver.model.outcome import Damaged, Verified
from archiver.model.recording import Claim
from archiver.pipeline.retry import RetryPolicy
from archiver.ports.storage import Storage


async def verify(storage: Storage, claim: Claim, kept: StoredObject, policy: RetryPolicy) -> Verified | Damaged:
    """The outcome of reading a stored object back.

    Raises: StorageError when the storage cannot be read at all, which says nothing about the object.
    """
    reading = await storage.read_back(kept.key)
    if reading.digest == kept.digest:
        return Verified(claim, reading.method)
    found = f"{reading.size_bytes:,} other bytes" if reading.digest is not None else "nothing"
    error = f"{kept.key}: {found} where {kept.size_bytes:,} bytes with SHA-256 {kept.digest.hex()} should lie"
    return Damaged(claim, error, policy.pause(claim.attempts_in_pass), is_missing=reading.digest is None)
