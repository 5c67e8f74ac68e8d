"""The suite of every storage: one test for each sentence of the port. An adapter's test supplies two fixtures."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID, uuid4

import pytest

from archiver.model.errors import KeyTaken, StorageError
from archiver.model.objects import Body, Digest, Key, sidecar_key
from archiver.model.recording import LeaseId
from archiver.ports.storage import Publication, Storage

KEY = Key("acme/2026/11/22/rec-1.wav")
FIRST = b"RIFF" + bytes(range(256)) * 40
SECOND = b"RIFF" + bytes(reversed(range(256))) * 41
DOCUMENT = b'{"schema": "recording-archiver/sidecar/1"}\n'


def digest_of(content: bytes) -> Digest:
    """The SHA-256 of some bytes."""
    return Digest(hashlib.sha256(content).digest())


def body_of(content: bytes) -> Body:
    """A small body, in memory."""
    return Body(content=content, digest=digest_of(content), size_bytes=len(content))


def publication(
    content: bytes, *, key: Key = KEY, sidecar: bytes | None = DOCUMENT, replaces: Digest | None = None
) -> Publication:
    """A publication under a lease of its own."""
    return Publication(key=key, body=body_of(content), sidecar=sidecar, lease=LeaseId(uuid4()), replaces=replaces)


def spooled(storage: Storage, content: bytes) -> Publication:
    """A publication whose body was spooled to a file."""
    lease = LeaseId(uuid4())
    path = storage.spool / f"{lease}.part"
    path.write_bytes(content)
    body = Body(content=path, digest=digest_of(content), size_bytes=len(content))
    return Publication(key=KEY, body=body, sidecar=DOCUMENT, lease=lease)


async def content_of(storage: Storage, key: Key) -> bytes | None:
    """What lies under a key, read through the port; None when nothing does."""
    if (await storage.read_back(key)).digest is None:
        return None
    async with storage.open(key) as chunks:
        return b"".join([chunk async for chunk in chunks])


class StorageContract:
    """Subclasses supply ``storage``, probed and empty, and ``broken``, one that was probed and then went away."""

    def test_its_url_names_it(self, storage: Storage) -> None:
        """The url is a scheme and a place, without secrets."""
        scheme, colon, place = storage.url.partition(":")
        assert scheme
        assert colon
        assert "@" not in place

    def test_its_spool_is_a_local_folder(self, storage: Storage) -> None:
        """Large bodies can be written to the spool."""
        assert storage.spool.is_dir()

    async def test_new_work_is_admitted(self, storage: Storage) -> None:
        """A storage that works admits new work, however often it is asked."""
        for _ in range(100):
            await storage.admit()

    async def test_a_probe_leaves_nothing_and_may_be_repeated(self, storage: Storage) -> None:
        """Probing again changes nothing that lies in the storage."""
        await storage.publish(publication(FIRST))
        await storage.probe()
        assert await content_of(storage, KEY) == FIRST

    async def test_a_probe_says_what_is_lacking(self, storage: Storage) -> None:
        """What the storage lacks is said in sentences, and again by the next probe."""
        remarks = await storage.probe()
        assert all(" " in remark for remark in remarks)
        assert await storage.probe() == remarks

    async def test_a_published_body_lies_under_its_key(self, storage: Storage) -> None:
        """O4: what was published is read back byte for byte, with its sidecar beside it."""
        await storage.publish(publication(FIRST))
        assert await content_of(storage, KEY) == FIRST
        assert await content_of(storage, sidecar_key(KEY)) == DOCUMENT

    async def test_no_sidecar_when_none_is_wanted(self, storage: Storage) -> None:
        """Without a sidecar document only the audio is published."""
        await storage.publish(publication(FIRST, sidecar=None))
        assert await content_of(storage, sidecar_key(KEY)) is None

    async def test_an_object_with_the_same_digest_is_adopted(self, storage: Storage) -> None:
        """R2: whoever put the same bytes there, they are kept, and so is their sidecar."""
        await storage.publish(publication(FIRST))
        await storage.publish(publication(FIRST, sidecar=b"{}"))
        assert await content_of(storage, KEY) == FIRST
        assert await content_of(storage, sidecar_key(KEY)) == DOCUMENT

    async def test_an_adopted_object_gets_a_missing_sidecar(self, storage: Storage) -> None:
        """Adopting adds the sidecar that the object lacks."""
        await storage.publish(publication(FIRST, sidecar=None))
        await storage.publish(publication(FIRST))
        assert await content_of(storage, sidecar_key(KEY)) == DOCUMENT

    async def test_a_taken_key_is_refused(self, storage: Storage) -> None:
        """R2: other bytes under the key raise KeyTaken, which names key and digests; the old pair is untouched."""
        await storage.publish(publication(FIRST))
        with pytest.raises(KeyTaken) as refused:
            await storage.publish(publication(SECOND, sidecar=b"{}"))
        facts = (KEY, digest_of(FIRST).hex(), digest_of(SECOND).hex())
        assert all(fact in str(refused.value) for fact in facts)
        assert await content_of(storage, KEY) == FIRST
        assert await content_of(storage, sidecar_key(KEY)) == DOCUMENT

    async def test_a_damaged_object_makes_way(self, storage: Storage) -> None:
        """R6: when ``replaces`` names the object found damaged, the new pair takes the key."""
        await storage.publish(publication(FIRST))
        await storage.publish(publication(SECOND, sidecar=b"{}", replaces=digest_of(FIRST)))
        assert await content_of(storage, KEY) == SECOND
        assert await content_of(storage, sidecar_key(KEY)) == b"{}"

    async def test_the_sidecar_of_a_replaced_object_goes_with_it(self, storage: Storage) -> None:
        """R6: a new object without a sidecar does not inherit the old one's."""
        await storage.publish(publication(FIRST))
        await storage.publish(publication(SECOND, sidecar=None, replaces=digest_of(FIRST)))
        assert await content_of(storage, sidecar_key(KEY)) is None

    async def test_replacing_what_is_sound_or_absent_is_publishing(self, storage: Storage) -> None:
        """``replaces`` does no harm where nothing lies, or where the new bytes lie already."""
        for _ in range(2):
            await storage.publish(publication(FIRST, replaces=digest_of(SECOND)))
        assert await content_of(storage, KEY) == FIRST

    async def test_publishing_may_be_repeated(self, storage: Storage) -> None:
        """R1: the same publication twice is the same as once."""
        once = publication(FIRST)
        await storage.publish(once)
        await storage.publish(once)
        assert await content_of(storage, KEY) == FIRST

    async def test_a_body_in_a_file_is_consumed(self, storage: Storage) -> None:
        """A spooled body is published, its file is gone, and the repeat is content with the object."""
        large = spooled(storage, FIRST)
        for _ in range(2):
            await storage.publish(large)
            assert await content_of(storage, KEY) == FIRST
            assert not list(storage.spool.iterdir())

    async def test_a_body_in_a_file_is_consumed_by_adoption_and_refusal(self, storage: Storage) -> None:
        """O4: the file is gone as well when the key was taken, by the same or by other bytes."""
        await storage.publish(publication(FIRST))
        await storage.publish(spooled(storage, FIRST))
        with pytest.raises(KeyTaken):
            await storage.publish(spooled(storage, SECOND))
        assert not list(storage.spool.iterdir())

    async def test_equal_bodies_published_at_once_become_one_object(self, storage: Storage) -> None:
        """R5: several writers of the same bytes all succeed, and one object lies there."""
        await asyncio.gather(*(storage.publish(publication(FIRST)) for _ in range(8)))
        assert await content_of(storage, KEY) == FIRST
        assert await content_of(storage, sidecar_key(KEY)) == DOCUMENT

    async def test_other_bodies_published_at_once_leave_one_whole_pair(self, storage: Storage) -> None:
        """R5: of several writers of different bytes one wins, with its own sidecar; the others are told so."""
        bodies = [FIRST + bytes([number]) for number in range(8)]
        pairs = {body: digest_of(body).hex().encode() for body in bodies}
        writers = (storage.publish(publication(body, sidecar=document)) for body, document in pairs.items())
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        winner = await content_of(storage, KEY)
        assert [type(outcome) for outcome in outcomes].count(KeyTaken) == 7
        assert winner is not None
        assert await content_of(storage, sidecar_key(KEY)) == pairs[winner]

    async def test_reading_back_hashes_the_object(self, storage: Storage) -> None:
        """R2: reading back answers digest, size, and how far the reading reached."""
        await storage.publish(publication(FIRST))
        reading = await storage.read_back(KEY)
        assert (reading.digest, reading.size_bytes) == (digest_of(FIRST), len(FIRST))
        assert reading.method

    async def test_reading_back_what_is_absent_has_no_digest(self, storage: Storage) -> None:
        """R6: a missing object is an answer, not an error."""
        reading = await storage.read_back(KEY)
        assert (reading.digest, reading.size_bytes) == (None, 0)

    async def test_an_object_opens_in_chunks(self, storage: Storage) -> None:
        """A large object comes in several chunks, none of them empty."""
        large = FIRST * 300
        await storage.publish(publication(large))
        async with storage.open(KEY) as chunks:
            found = [chunk async for chunk in chunks]
        assert b"".join(found) == large
        assert len(found) > 1
        assert all(found)

    async def test_reading_an_object_may_stop_early(self, storage: Storage) -> None:
        """A reader that wants only the beginning leaves nothing open."""
        await storage.publish(publication(FIRST * 300))
        async with storage.open(KEY) as chunks:
            assert (FIRST * 300).startswith(await anext(chunks))

    async def test_opening_what_is_absent_fails(self, storage: Storage) -> None:
        """There is no empty object: opening an absent one raises StorageError with its key."""
        with pytest.raises(StorageError, match=KEY):
            async with storage.open(KEY):
                pytest.fail("it opened")

    async def test_a_sweep_removes_dead_parts_only(self, storage: Storage) -> None:
        """O4: parts of dead leases go, those of living ones and what is no part of ours stay."""
        living, dead = LeaseId(UUID(int=1)), LeaseId(UUID(int=2))
        for name in (f"{living}.part", f"{dead}.part", f"{dead}.json.part", "notes.txt"):
            (storage.spool / name).write_bytes(b"x")
        asked: list[frozenset[LeaseId]] = []

        async def ask(leases: frozenset[LeaseId]) -> frozenset[LeaseId]:
            asked.append(leases)
            return leases & {living}

        assert await storage.sweep(ask) == 2
        assert asked == [frozenset({living, dead})]
        assert {path.name for path in storage.spool.iterdir()} == {f"{living}.part", "notes.txt"}

    async def test_sweeps_may_go_on_at_once(self, storage: Storage) -> None:
        """O4: several sweeps together remove each part once."""
        for number in range(20):
            (storage.spool / f"{UUID(int=number)}.part").write_bytes(b"x")

        async def nobody(leases: frozenset[LeaseId]) -> frozenset[LeaseId]:
            return frozenset()

        assert sum(await asyncio.gather(*(storage.sweep(nobody) for _ in range(4)))) == 20

    @pytest.mark.parametrize("method", ["admit", "probe", "publish", "read_back", "open", "sweep"])
    async def test_a_broken_storage_says_so(self, broken: Storage, method: str) -> None:
        """R3: every method of a storage that went away raises StorageError; nothing counts as missing."""

        async def nobody(leases: frozenset[LeaseId]) -> frozenset[LeaseId]:
            return frozenset()

        async def opened() -> None:
            async with broken.open(KEY):
                pass

        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "admit": broken.admit,
            "probe": broken.probe,
            "publish": partial(broken.publish, publication(FIRST)),
            "read_back": partial(broken.read_back, KEY),
            "open": opened,
            "sweep": partial(broken.sweep, nobody),
        }
        with pytest.raises(StorageError):
            await calls[method]()
