"""Suspicion: the verdict on audio that contradicts what was claimed of it, fact by fact."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from archiver.model.errors import Doubtful
from archiver.model.objects import Digest
from archiver.model.recording import Claim, LeaseId, State
from archiver.pipeline.suspicion import Confirm, Store, weigh
from tests.builders import make_listed, make_stored_object

KEPT = make_stored_object()
NEW = Digest(b"n" * 32)
DOUBT = "too short"


def claim(state: State, attempts: int, **facts: object) -> Claim:
    """A claim in a pass that made so many attempts before; what is kept is kept for a reason that may be told."""
    kept = None if state is State.PENDING else KEPT
    return Claim(
        row=1,
        lease=LeaseId(UUID(int=1)),
        state=state,
        listed=make_listed(),
        first_seen_at=datetime(2026, 2, 1, tzinfo=UTC),
        attempts=attempts,
        attempts_in_pass=attempts,
        **{"kept": kept, **facts},  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("state", [State.PENDING, State.DAMAGED, State.VERIFIED])
def test_sound_bytes_are_stored(state: State) -> None:
    """What nothing speaks against is stored, whatever was kept before."""
    assert weigh(claim(state, 0, suspect=DOUBT), NEW, None, is_last=False) == Store(None)


@pytest.mark.parametrize("state", [State.PENDING, State.DAMAGED])
@pytest.mark.parametrize(
    ("attempts", "refused", "is_last", "is_stored"),
    [
        (0, None, False, False),
        (3, NEW, False, False),
        (4, None, True, False),
        (4, Digest(b"o" * 32), True, False),
        (4, NEW, True, True),
        (0, None, True, True),
    ],
)
def test_doubtful_bytes_are_kept_only_when_all_attempts_agree(
    state: State, attempts: int, refused: Digest | None, is_last: bool, is_stored: bool
) -> None:
    """B3: refused and retried; stored as suspect by the last attempt, when every one of the pass brought the same."""
    it = claim(state, attempts, refused=refused)
    if is_stored:
        assert weigh(it, NEW, DOUBT, is_last=is_last) == Store(DOUBT)
        return
    with pytest.raises(Doubtful, match=DOUBT) as raised:
        weigh(it, NEW, DOUBT, is_last=is_last)
    assert raised.value.digest == NEW


def test_the_same_bytes_confirm_a_suspect() -> None:
    """B3: fetched once more with the same bytes, a suspect is kept for good with its reason."""
    assert weigh(claim(State.VERIFIED, 0, suspect="empty"), KEPT.digest, DOUBT, is_last=False) == Confirm("empty")


def test_the_catalog_s_own_bytes_heal_a_damaged_one() -> None:
    """Bytes that equal the catalog's digest are put back as they were, suspect or not."""
    for suspect in (None, "empty"):
        it = claim(State.DAMAGED, 0, suspect=suspect)
        assert weigh(it, KEPT.digest, DOUBT, is_last=False) == Store(suspect)


def test_other_doubtful_bytes_do_not_replace_a_suspect() -> None:
    """Other bytes that are no better are fetched again until the attempts end; then the suspect rests, saying so."""
    it = claim(State.VERIFIED, 0, suspect="empty")
    with pytest.raises(Doubtful):
        weigh(it, NEW, DOUBT, is_last=False)
    verdict = weigh(it, NEW, DOUBT, is_last=True)
    assert isinstance(verdict, Confirm)
    assert "empty" in verdict.suspect
    assert DOUBT in verdict.suspect
