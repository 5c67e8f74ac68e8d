"""What the configuration says about the storage arrives there."""

from dataclasses import fields
from datetime import timedelta
from pathlib import Path

from archiver.app.config.schema import S3Config
from archiver.app.wiring import open_store, storage_options
from archiver.model.secret import Secret
from archiver.storage.s3.options import S3Options
from tests.unit.app.conftest import Load

BUCKET = """
[storage]
url = "s3://my-bucket/calls"
[storage.s3]
endpoint = "https://s3.example.com"
region = "eu-central-1"
access_key_id = "KEY"
secret_access_key = "SECRET"
session_token = "TOKEN"
path_style = true
storage_class = "STANDARD_IA"
sse = "aws:kms"
kms_key_id = "alias/recordings"
tags = { purpose = "recordings" }
object_lock = "COMPLIANCE"
retain = "7y"
verify = "checksum"
[transfer]
spool = "spool"
spool_size = "5GiB"
connect_timeout = "3s"
idle_timeout = "4s"
concurrency = 7
"""


def test_every_option_of_a_bucket_arrives(load_text: Load, tmp_path: Path) -> None:
    """What ``[storage.s3]`` and ``[transfer]`` say is what the bucket's storage is told."""
    options = storage_options(load_text(BUCKET)).s3
    assert options == S3Options(
        spool=tmp_path / "spool",
        spool_size=5 * 2**30,
        endpoint="https://s3.example.com",
        region="eu-central-1",
        access_key_id=Secret("KEY"),
        secret_access_key=Secret("SECRET"),
        session_token=Secret("TOKEN"),
        path_style=True,
        storage_class="STANDARD_IA",
        sse="aws:kms",
        kms_key_id="alias/recordings",
        tags={"purpose": "recordings"},
        object_lock="COMPLIANCE",
        retain=timedelta(days=7 * 365),
        verify="checksum",
        connect_timeout=timedelta(seconds=3),
        idle_timeout=timedelta(seconds=4),
        concurrency=7,
    )


def test_a_bucket_has_every_option_of_its_table() -> None:
    """No option of ``[storage.s3]`` is read and then forgotten."""
    assert {one.name for one in fields(S3Config)} <= {one.name for one in fields(S3Options)}


def test_a_directory_has_no_bucket(load_text: Load) -> None:
    """Options of a bucket that is not used are not looked at."""
    assert storage_options(load_text("")).s3 is None


async def test_a_storage_is_opened_and_closed(load_text: Load) -> None:
    """S5: the storage's url names bucket and prefix, and no secret; nothing of the client is left open."""
    async with open_store(load_text(BUCKET)) as storage:
        assert storage.url == "s3://my-bucket/calls"
