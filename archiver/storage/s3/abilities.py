"""What a store can do, as its probe found out. What nobody has probed yet is not relied on."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """Each says that the store refuses what it should.

    ``new_put`` and ``new_complete``: to put an object, or complete a multipart upload, where one lies already, with
    ``If-None-Match: *``; ``matched_put`` and ``matched_complete``: where another lies than ``If-Match`` names.
    ``checks``: bytes that are not their SHA-256. ``takes_checksums``: whether that may be sent at all.
    ``keeps_checksums``: it tells the SHA-256 of an object, and checked it.
    """

    new_put: bool = False
    matched_put: bool = False
    new_complete: bool = False
    matched_complete: bool = False
    takes_checksums: bool = True
    checks: bool = False
    keeps_checksums: bool = False

    def holds(self, *, is_new: bool, is_large: bool) -> bool:
        """Whether the condition of a put, or of completing a large one, is kept: nothing lies there, or that."""
        if is_new:
            return self.new_complete if is_large else self.new_put
        return self.matched_complete if is_large else self.matched_put

    def lacks(self) -> Sequence[str]:
        """What is missing and what is done instead, in words."""
        words = []
        if not self.new_put:
            words.append(
                "the store replaces objects without asking (it has no If-None-Match): what lies under a key is looked "
                "at before and after each put, and only leases keep two processes apart"
            )
        elif not self.new_complete:
            words.append(
                "the store completes a multipart upload over an object (If-None-Match does not hold there): what lies "
                "under the key of a large object is looked at before and after it is put"
            )
        if not self.matched_put:
            words.append(
                "the store cannot replace an object on condition (it has no If-Match): a damaged object is compared "
                "just before it is replaced"
            )
        elif not self.matched_complete:
            words.append(
                "the store cannot replace a large object on condition (If-Match does not hold there): a damaged one "
                "is compared just before it is replaced"
            )
        if not self.checks:
            words.append("the store does not check the SHA-256 of what it gets: each object is read back after its put")
        return words
