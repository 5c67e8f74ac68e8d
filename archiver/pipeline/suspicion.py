"""Suspicion: what to do with audio that contradicts what was claimed of it.

It is refused and fetched again. Only when every attempt of a pass brought the same bytes is it kept, as ``suspect``:
then it is all that the provider has. The first later pass fetches a suspect once more; sound bytes take its place, and
otherwise it is confirmed and rests. A suspect is shown to the operator, and never a ground for a remote delete.
"""

from dataclasses import dataclass

from archiver.model.errors import Doubtful
from archiver.model.objects import Digest
from archiver.model.recording import Claim, State


@dataclass(frozen=True, slots=True)
class Store:
    """Store the bytes; ``suspect`` says why they may not be the call, None when nothing speaks against them."""

    suspect: str | None = None


@dataclass(frozen=True, slots=True)
class Confirm:
    """Keep what is stored already, for good."""

    suspect: str


def weigh(claim: Claim, digest: Digest, doubt: str | None, *, is_last: bool) -> Store | Confirm:
    """What to do with the body of a claim. ``is_last``: the pass has no further attempt for it.

    Raises: Doubtful when it is to be refused, and fetched again.
    """
    is_once_more = claim.state is State.VERIFIED
    if doubt is None:
        return Store()
    if claim.kept and claim.kept.digest == digest:
        return Confirm(claim.suspect or doubt) if is_once_more else Store(claim.suspect)
    if is_last and is_once_more:
        return Confirm(f"{claim.suspect or doubt}; fetched once more, other bytes came, no better: {doubt}")
    if is_last and (claim.attempts_in_pass == 0 or claim.refused == digest):
        return Store(doubt)
    raise Doubtful(doubt, digest)
