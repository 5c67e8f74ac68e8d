"""The stage on which the provider in memory plays the contract suite."""

import hashlib
from collections.abc import Mapping
from datetime import timedelta

from archiver.model.errors import ArchiverError, Denied, ListingError, Throttled, Unreachable
from tests.builders import ACCOUNT
from tests.fakes.provider import FakeProvider, make_recording


class FakeStage:
    """Five recordings, two on a page."""

    def __init__(self) -> None:
        self.provider = FakeProvider()
        self.provider.add(*(make_recording(f"r{number}", bytes([number]) * 3000) for number in range(5)))
        self.early = FakeProvider()
        self.early.add(*(make_recording(f"r{number}", None) for number in range(5)))
        self.refused = failing(Denied("refused", account=ACCOUNT))
        self.silenced = failing(Throttled("wait", retry_after=timedelta(seconds=7), account=ACCOUNT))
        self.alone = failing(Unreachable("nobody there", account=ACCOUNT))
        self.misled = failing(ListingError("what is this?", account=ACCOUNT))

    def digests(self) -> Mapping[str, str]:
        """Of the recordings that are left."""
        held = [(one.listed.recording_id, one.body or b"") for one in self.provider.recordings()]
        return {recording_id: hashlib.sha256(body).hexdigest() for recording_id, body in held}

    async def remove(self, recording_id: str) -> None:
        """Let it vanish."""
        self.provider.remove(recording_id)

    def reopened(self) -> FakeProvider:
        """The fake keeps nothing of its own: it is the provider and the adapter in one."""
        return self.provider


def failing(error: ArchiverError) -> FakeProvider:
    """A provider whose listing and look-up fail once."""
    provider = FakeProvider()
    for method in ("list_page", "retrieve"):
        provider.fail(method, error)
    return provider
