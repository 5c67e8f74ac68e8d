"""Work that is brought to its end."""

import asyncio

import pytest

from archiver.storage.s3.waiting import finished


async def test_the_answer_is_the_works() -> None:
    """Nobody who is not cancelled notices anything."""
    assert await finished(asyncio.sleep(0, "done")) == "done"


async def test_an_error_is_the_works() -> None:
    """What the work raises is raised."""

    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await finished(fail())


async def test_a_cancellation_waits_for_the_end() -> None:
    """Cancelled once, and again while waiting: the work ends first, then the cancellation is raised."""
    go, begun, ended = asyncio.Event(), asyncio.Event(), False

    async def work() -> None:
        nonlocal ended
        begun.set()
        await go.wait()
        ended = True

    task = asyncio.create_task(finished(work()))
    await begun.wait()
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended
