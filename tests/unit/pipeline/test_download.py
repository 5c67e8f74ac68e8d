"""Download: a broken stream is gone on with only where that is safe."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest

from archiver.model.errors import ArchiverError, IntegrityError, NotReady, Unreachable
from archiver.model.recording import Claim, LeaseId, State
from archiver.pipeline.bandwidth import Bandwidth
from archiver.pipeline.download import OVERLAP_BYTES, RESUMES, WORTH_RESUMING_BYTES, Download, download
from archiver.pipeline.spool import Spool
from archiver.ports.provider import Capabilities, Media, MediaRequest
from tests.builders import STARTED_AT, make_listed
from tests.fakes.provider import FakeProvider, FakeRecording

BODY = Random(3).randbytes(3 * WORTH_RESUMING_BYTES)
HALF = 2 * WORTH_RESUMING_BYTES


@dataclass
class BreakingProvider(FakeProvider):
    """Its streams break where ``breaks`` says, one after the other; then they are whole. It resumes as told: ``shift``
    bytes off, which it admits, or ``lies_by`` so many earlier, which it denies."""

    breaks: Iterable[int] = ()
    honours_offset: bool = True
    validator: str | None = '"v1"'
    shift: int = 0
    lies_by: int = 0
    chunk_bytes: int = 256 << 10
    _places: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._places = list(self.breaks)

    @asynccontextmanager
    async def open_media(self, request: MediaRequest) -> AsyncIterator[Media]:
        """The body from the offset on, if it is honoured, up to the next break."""
        self.media_requests.append(request)
        cut_at = self._places.pop(0) if self._places else None
        recording = FakeRecording(listed=request.recording, body=BODY, cut_at=cut_at)
        offset = request.offset + self.shift if self.honours_offset and request.offset else 0
        chunks = self._chunks(recording, BODY, offset - self.lies_by if offset else 0)
        yield Media(chunks=chunks, size_bytes=len(BODY), content_type=None, offset=offset, validator=self.validator)


def make_claim(attempts: int = 0) -> Claim:
    return Claim(
        row=1,
        lease=LeaseId(uuid4()),
        state=State.PENDING,
        listed=make_listed(),
        first_seen_at=STARTED_AT,
        attempts=attempts,
        attempts_in_pass=0,
        kept=None,
    )


async def fetch(provider: FakeProvider, folder: Path, attempts: int = 0) -> Download:
    claim = make_claim(attempts)
    spool = Spool(folder, claim.lease)
    try:
        return await download(provider, claim, spool, Bandwidth(0))
    except ArchiverError:
        await spool.discard()
        raise


def content_of(got: Download) -> bytes:
    return got.body.content.read_bytes() if isinstance(got.body.content, Path) else got.body.content


async def test_a_broken_stream_is_gone_on_with(tmp_path: Path) -> None:
    """With a validator and 1 MiB at hand, the stream goes on shortly before it broke, naming the validator (B4)."""
    provider = BreakingProvider(breaks=[HALF])
    got = await fetch(provider, tmp_path)
    assert content_of(got) == BODY
    assert got.declared_bytes == len(BODY)
    asked = [(one.offset, one.validator) for one in provider.media_requests]
    assert asked == [(0, None), (HALF - OVERLAP_BYTES, '"v1"')]


async def test_an_ignored_offset_starts_over(tmp_path: Path) -> None:
    """A provider that answers from the beginning is believed: nothing is pieced together (B4)."""
    got = await fetch(BreakingProvider(breaks=[HALF], honours_offset=False), tmp_path)
    assert content_of(got) == BODY


async def test_another_offset_is_refused(tmp_path: Path) -> None:
    """An answer from neither the asked byte nor the beginning is refused (B4)."""
    with pytest.raises(IntegrityError, match="goes on at byte"):
        await fetch(BreakingProvider(breaks=[HALF], shift=1), tmp_path)


@pytest.mark.parametrize("chunk_bytes", [1000, OVERLAP_BYTES, 256 << 10])
async def test_streams_may_break_anywhere(tmp_path: Path, chunk_bytes: int) -> None:
    """However the pieces fall, also when a stream breaks within what was asked for again, they fit together (B4)."""
    breaks = [HALF, HALF - OVERLAP_BYTES // 2, HALF + 1]
    got = await fetch(BreakingProvider(breaks=breaks, chunk_bytes=chunk_bytes), tmp_path)
    assert content_of(got) == BODY


@pytest.mark.parametrize("lies_by", [1, -1, OVERLAP_BYTES])
async def test_other_bytes_are_refused(tmp_path: Path, lies_by: int) -> None:
    """A range that holds other bytes than it says is found out by those that are here already (B4)."""
    with pytest.raises(IntegrityError, match="other bytes"):
        await fetch(BreakingProvider(breaks=[HALF], lies_by=lies_by), tmp_path)


@pytest.mark.parametrize(
    "provider",
    [
        BreakingProvider(breaks=[HALF], validator=None),
        BreakingProvider(breaks=[HALF], capabilities=Capabilities(can_resume=False)),
        BreakingProvider(breaks=[WORTH_RESUMING_BYTES - 1]),
    ],
    ids=["no validator", "no ability", "less than 1 MiB"],
)
async def test_what_cannot_be_resumed_safely_fails(tmp_path: Path, provider: BreakingProvider) -> None:
    """Without a validator, the ability, or 1 MiB at hand, the attempt fails after one request (B4)."""
    with pytest.raises(Unreachable):
        await fetch(provider, tmp_path)
    assert len(provider.media_requests) == 1


async def test_resuming_is_bounded(tmp_path: Path) -> None:
    """A stream that breaks again and again is given up (P4)."""
    provider = BreakingProvider(breaks=[HALF] * 9)
    with pytest.raises(Unreachable):
        await fetch(provider, tmp_path)
    assert len(provider.media_requests) == 1 + RESUMES


async def test_a_refused_resumption_is_the_outcome(tmp_path: Path) -> None:
    """What the provider answers to a resumption is raised, whatever came before."""
    provider = FakeProvider(capabilities=Capabilities(can_resume=True), chunk_bytes=256 << 10)
    provider.add(FakeRecording(listed=make_listed(), body=None))
    with pytest.raises(NotReady):
        await fetch(provider, tmp_path)


async def test_the_attempt_is_named(tmp_path: Path) -> None:
    """The provider learns which attempt this is, so that it can renew a stale link."""
    provider = BreakingProvider(breaks=[HALF])
    await fetch(provider, tmp_path, attempts=7)
    assert [one.attempt for one in provider.media_requests] == [7, 7]


async def test_bandwidth_is_shared() -> None:
    """All who spend together wait until the line has caught up with the sum."""
    line, loop = Bandwidth(100_000), asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(line.spend(1000) for _ in range(5)))
    assert timedelta(seconds=loop.time() - began) >= timedelta(milliseconds=50)
