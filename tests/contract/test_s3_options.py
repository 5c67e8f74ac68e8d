"""What the operator says about a bucket arrives at the store, and is proven there."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import pytest

from archiver.model.errors import StorageError
from archiver.model.objects import Key
from archiver.storage.s3.storage import S3Storage
from tests.contract.s3 import large_publication, names_of
from tests.contract.storage import FIRST, KEY, SECOND, content_of, digest_of, publication
from tests.servers.ground import Ground

TAGS = MappingProxyType({"purpose": "call recordings", "team": "a&b"})


async def test_objects_get_class_encryption_and_tags(weed: Ground, tmp_path: Path) -> None:
    """Audio and sidecar are encrypted and tagged as configured; the class is the audio's alone."""
    storage = weed.storage(tmp_path, storage_class="STANDARD_IA", sse="AES256", tags=TAGS)
    await storage.publish(publication(FIRST))
    name = names_of(storage).object(KEY)
    audio, sidecar = await storage.bucket.head(name), await storage.bucket.head(f"{name}.json")
    assert audio
    assert sidecar
    assert audio.headers["StorageClass"] == "STANDARD_IA"
    assert "StorageClass" not in sidecar.headers
    for found in (name, f"{name}.json"):
        tagging = await weed.client.get_object_tagging(Bucket=weed.bucket, Key=found)
        assert {tag["Key"]: tag["Value"] for tag in tagging["TagSet"]} == TAGS


@pytest.mark.parametrize("multipart_above", [0, 2**20])
async def test_requests_carry_the_kms_key(multipart_above: int, moto: Ground, tmp_path: Path) -> None:
    """SSE-KMS is asked for with the key that was named, in one piece and in parts, and so is the class."""
    storage = moto.storage(
        tmp_path,
        sse="aws:kms",
        kms_key_id="alias/recordings",
        storage_class="GLACIER_IR",
        multipart_above=multipart_above,
    )
    await storage.publish(publication(FIRST))
    audio = await storage.bucket.head(names_of(storage).object(KEY))
    assert audio
    assert audio.headers["ServerSideEncryption"] == "aws:kms"
    assert audio.headers["SSEKMSKeyId"].endswith("alias/recordings")
    assert audio.headers["StorageClass"] == "GLACIER_IR"


@pytest.mark.parametrize(("verify", "method"), [("read", "read"), ("checksum", "checksum")])
async def test_the_operator_chooses_how_copies_are_verified(
    verify: str, method: str, weed: Ground, tmp_path: Path
) -> None:
    """R2: what the store checked itself may be asked for instead of the bytes; the reading says which it was."""
    storage = weed.storage(tmp_path, verify=verify)
    assert not await storage.probe()
    await storage.publish(publication(FIRST))
    reading = await storage.read_back(KEY)
    assert (reading.digest, reading.size_bytes, reading.method) == (digest_of(FIRST), len(FIRST), method)
    assert (await storage.read_back(Key("no/thing"))).digest is None


async def test_what_was_put_in_parts_is_read(weed: Ground, tmp_path: Path) -> None:
    """R2: the checksum of an object that was put in parts is not that of its bytes, and is not taken for it."""
    storage = weed.storage(tmp_path, verify="checksum", multipart_above=0, part_size=5 * 2**20)
    for content in (FIRST, FIRST * 600):
        await storage.publish(large_publication(storage, content, replaces=digest_of(FIRST)))
        reading = await storage.read_back(KEY)
        assert (reading.digest, reading.method) == (digest_of(content), "read")


async def test_a_checksum_that_the_store_did_not_check_proves_nothing(rclone: Ground, tmp_path: Path) -> None:
    """R6: a store that repeats what it was told is read, and that is said."""
    storage = rclone.storage(tmp_path, verify="checksum")
    assert any('verify = "checksum"' in remark for remark in await storage.probe())
    await storage.publish(publication(FIRST))
    assert (await storage.read_back(KEY)).method == "read"


@pytest.fixture
async def locked(weed: Ground, tmp_path: Path) -> S3Storage:
    """A storage in a bucket with Object Lock."""
    bucket = await weed.new_bucket(can_lock=True)
    return weed.storage(tmp_path, bucket, object_lock="GOVERNANCE", retain=timedelta(days=365))


@pytest.mark.parametrize("multipart_above", [0, 2**20])
async def test_objects_are_locked(multipart_above: int, weed: Ground, tmp_path: Path) -> None:
    """The pair is retained for as long as configured: its versions cannot be deleted."""
    bucket = await weed.new_bucket(can_lock=True)
    lock = {"object_lock": "GOVERNANCE", "retain": timedelta(days=365)}
    storage = weed.storage(tmp_path, bucket, multipart_above=multipart_above, **lock)
    await storage.publish(publication(FIRST))
    name = names_of(storage).object(KEY)
    for found in (name, f"{name}.json"):
        head = await storage.bucket.head(found)
        assert head
        assert head.headers["ObjectLockMode"] == "GOVERNANCE"
        left = head.headers["ObjectLockRetainUntilDate"] - datetime.now(UTC)
        assert timedelta(days=364) < left <= timedelta(days=365)
        with pytest.raises(StorageError, match="AccessDenied"):
            await storage.bucket.delete(found, head.headers["VersionId"])


async def test_a_locked_object_makes_way_and_stays(locked: S3Storage) -> None:
    """R6: a damaged object in a locked bucket is replaced by a new version, and is kept aside as well."""
    await locked.publish(publication(FIRST))
    await locked.publish(publication(SECOND, replaces=digest_of(FIRST)))
    versions = await locked.bucket.entries(names_of(locked).object(KEY), with_versions=True)
    assert await content_of(locked, KEY) == SECOND
    assert len([one for one in versions if one.name.endswith(KEY)]) == 2


async def test_a_lockable_bucket_is_probed(locked: S3Storage) -> None:
    """The probe leaves one locked object, which a sweep removes when it is old; a young one stays."""

    async def nobody(leases: frozenset[object]) -> frozenset[object]:
        return frozenset()

    assert not await locked.probe()
    await locked.sweep(nobody)  # type: ignore[arg-type]
    left = await locked.bucket.entries(names_of(locked).probes)
    assert [entry.name.rpartition(".")[2] for entry in left] == ["locked"]


@pytest.mark.parametrize("server", ["weed", "moto", "rclone"])
async def test_a_bucket_that_cannot_lock_is_refused(
    server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """T6: a lock that is configured and not kept is found by the probe, which names the key and leaves nothing."""
    ground: Ground = request.getfixturevalue(server)
    storage = ground.storage(tmp_path, object_lock="COMPLIANCE", retain=timedelta(days=1))
    with pytest.raises(StorageError) as refused:
        await storage.probe()
    assert refused.value.key == "storage.s3.object_lock"
    assert not await storage.bucket.entries(names_of(storage).probes)


@pytest.mark.parametrize("server", ["weed", "moto", "rclone"])
async def test_a_missing_bucket_is_named(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """T6: the probe of a bucket that is not there says so, and what to do."""
    ground: Ground = request.getfixturevalue(server)
    with pytest.raises(StorageError, match="NoSuchBucket") as refused:
        await ground.storage(tmp_path, "nowhere").probe()
    assert refused.value.key == "storage.url"
