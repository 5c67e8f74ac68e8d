"""What a store answers, and what goes wrong on the way to it, each by its name."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from archiver.model.errors import ConfigError, StorageError, StorageUnavailable
from archiver.model.objects import Key
from archiver.storage.s3.abilities import Abilities
from archiver.storage.s3.bodies import opened
from archiver.storage.s3.client import open_client
from archiver.storage.s3.names import Names
from archiver.storage.s3.options import S3Options
from archiver.storage.s3.storage import S3Storage, open_bucket
from tests.contract.storage import FIRST, KEY, publication
from tests.fakes.web import Handler, Peer, answering, serve, serve_raw
from tests.servers.ground import options_for
from tests.servers.s3 import ACCESS_KEY_ID, SECRET_ACCESS_KEY

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

ABLE = Abilities(
    new_put=True,
    matched_put=True,
    new_complete=True,
    matched_complete=True,
    checks=True,
    keeps_checksums=True,
)
LIMIT_S = 20.0
NAMES = Names("calls", "a/b")
TLS = Path(__file__).parents[2] / "samples" / "tls"


def refusal(code: str, message: str = "no", more: str = "") -> str:
    """An error document."""
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>'


class Stub:
    """A server that answers as the test says, and one client of it for all tests."""

    def __init__(self, peer: Peer, client: "S3Client") -> None:
        self.peer = peer
        self.client = client
        self.handler: Handler = answering()

    def storage(self, handler: Handler, folder: Path, **more: Any) -> S3Storage:
        """A storage that is taken for a good one, at a server that answers like this from now on."""
        self.handler = handler
        self.peer.asked.clear()
        storage = S3Storage(self.client, NAMES, options_for(self.peer.origin, folder, **more))
        storage.bucket.abilities = ABLE
        return storage


@pytest.fixture(scope="module")
async def stub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stub]:
    """One server and one client: to make a client takes a second."""
    stub: Stub

    async def answer(request: web.Request) -> web.StreamResponse:
        return await stub.handler(request)

    async with serve(answer) as peer, open_client(options_for(peer.origin, tmp_path_factory.mktemp("s3"))) as client:
        stub = Stub(peer, client)
        yield stub


async def error_of(call: Awaitable[object]) -> StorageError:
    """What a call raises."""
    with pytest.raises(StorageError) as raised:
        await call
    return raised.value


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (503, "SlowDown", StorageUnavailable, "tried again by itself"),
        (503, "ServiceUnavailable", StorageUnavailable, "tried again"),
        (500, "InternalError", StorageUnavailable, "tried again"),
        (502, "", StorageUnavailable, "tried again"),
        (400, "RequestTimeout", StorageUnavailable, "tried again"),
        (409, "ConditionalRequestConflict", StorageUnavailable, "tried again"),
        (409, "OperationAborted", StorageUnavailable, "tried again"),
        (429, "TooManyRequests", StorageUnavailable, "tried again"),
        (307, "TemporaryRedirect", StorageUnavailable, "tried again"),
        (400, "BadDigest", StorageUnavailable, "tried again"),
        (403, "RequestTimeTooSkewed", StorageError, "clock"),
        (404, "NoSuchBucket", StorageError, "storage.url"),
        (403, "AccessDenied", StorageError, "s3:PutObject"),
        (403, "InvalidAccessKeyId", StorageError, "access_key_id"),
        (403, "SignatureDoesNotMatch", StorageError, "secret_access_key"),
        (400, "ExpiredToken", StorageError, "session_token"),
        (400, "KeyTooLongError", StorageError, "shorten storage.key"),
        (400, "InvalidStorageClass", StorageError, "class that the store has"),
        (400, "KMS.NotFoundException", StorageError, "kms_key_id"),
        (507, "InsufficientStorage", StorageError, "make room"),
        (501, "NotImplemented", StorageError, "storage"),
    ],
)
async def test_a_refusal_is_named(
    status: int, code: str, kind: type[StorageError], words: str, stub: Stub, tmp_path: Path
) -> None:
    """R3: a refusal becomes the error that says whether trying again helps, and what does; it names the object."""
    handler = answering(status, refusal(code) if code else "", {"Content-Type": "application/xml"})
    error = await error_of(stub.storage(handler, tmp_path).publish(publication(FIRST)))
    assert isinstance(error, StorageUnavailable) == (kind is StorageUnavailable)
    assert words in (error.fix or "")
    assert f"s3://calls/a/b/{KEY}" in str(error)
    assert len(stub.peer.asked) == 1


@pytest.mark.parametrize("multipart_above", [0, 2**20])
async def test_a_200_that_holds_an_error_is_none(multipart_above: int, stub: Stub, tmp_path: Path) -> None:
    """R2: an ``<Error>`` in a 200 is an error, whichever request it answers."""

    async def handler(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.Response(status=404, text=refusal("NoSuchKey"))
        return web.Response(text=refusal("InternalError"), headers={"ETag": '"x"'})

    storage = stub.storage(handler, tmp_path, multipart_above=multipart_above)
    assert isinstance(await error_of(storage.publish(publication(FIRST))), StorageUnavailable)


@pytest.mark.parametrize("method", ["publish", "read_back", "open"])
async def test_an_answer_without_an_etag_is_no_objects(method: str, stub: Stub, tmp_path: Path) -> None:
    """R6: a 200 of something that is no S3, a login page say, neither stores nor damages anything."""

    async def opened(storage: S3Storage) -> None:
        async with storage.open(KEY):
            pass

    calls: dict[str, Callable[[S3Storage], Awaitable[object]]] = {
        "publish": lambda storage: storage.publish(publication(FIRST)),
        "read_back": lambda storage: storage.read_back(KEY),
        "open": opened,
    }
    error = await error_of(calls[method](stub.storage(answering(200, "<html>log in</html>"), tmp_path)))
    assert isinstance(error, StorageUnavailable)
    assert "ETag" in str(error)


@pytest.mark.parametrize("body", ["", "<html>not found</html>", refusal("NoSuchBucket")])
async def test_only_the_word_for_it_means_absent(body: str, stub: Stub, tmp_path: Path) -> None:
    """R6: a 404 that does not say NoSuchKey, of a proxy say, counts nothing as missing."""
    await error_of(stub.storage(answering(404, body), tmp_path).read_back(KEY))


async def test_a_missing_object_is_missing_only_while_the_bucket_answers(stub: Stub, tmp_path: Path) -> None:
    """R6: NoSuchKey from a store that then cannot list its bucket counts as trouble."""

    async def handler(request: web.Request) -> web.Response:
        code = "NoSuchKey" if KEY in request.path else "NoSuchBucket"
        return web.Response(status=404, text=refusal(code), content_type="application/xml")

    error = await error_of(stub.storage(handler, tmp_path).read_back(KEY))
    assert error.key == "storage.url"


async def test_a_body_that_is_cut_is_no_object(stub: Stub, tmp_path: Path) -> None:
    """B1: fewer bytes than were announced are an error, not other bytes."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"ETag": '"x"', "Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"short")
        assert request.transport is not None
        request.transport.close()
        return response

    assert isinstance(await error_of(stub.storage(handler, tmp_path).read_back(KEY)), StorageUnavailable)


@asynccontextmanager
async def storage_at(peer: Peer, folder: Path, **more: Any) -> AsyncIterator[S3Storage]:
    """A storage with a client of its own."""
    async with asyncio.timeout(LIMIT_S), open_bucket(NAMES, options_for(peer.origin, folder, **more)) as storage:
        storage.bucket.abilities = ABLE
        yield storage


async def test_silence_ends(tmp_path: Path) -> None:
    """P4: a store that never answers, and never asks for the body of a file, is given up after the idle timeout."""
    idle = timedelta(seconds=0.2)
    path = tmp_path / "body"
    path.write_bytes(FIRST)
    async with serve_raw(b"", stays_open=True) as peer, storage_at(peer, tmp_path, idle_timeout=idle) as storage:
        assert isinstance(await error_of(storage.read_back(KEY)), StorageUnavailable)
        assert isinstance(await error_of(storage.publish(publication(FIRST))), StorageUnavailable)
        with opened(path, 0, len(FIRST)) as content:
            assert isinstance(await error_of(storage.bucket.send("put_object", "x", content)), StorageUnavailable)


async def test_nobody_listening_may_pass(tmp_path: Path) -> None:
    """R3: a refused connection names the endpoint's trouble, and is worth trying again."""
    async with serve(answering()) as peer:
        pass
    async with storage_at(peer, tmp_path) as storage:
        assert isinstance(await error_of(storage.read_back(KEY)), StorageUnavailable)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(status: int, stub: Stub, tmp_path: Path) -> None:
    """S1: neither a request's credentials nor a recording go to a host that nobody configured."""
    async with serve(answering(200, "", {"ETag": '"x"'})) as elsewhere:
        handler = answering(status, "", {"Location": f"{elsewhere.origin}/calls/x"})
        await error_of(stub.storage(handler, tmp_path).publish(publication(FIRST)))
    assert not elsewhere.asked
    assert len(stub.peer.asked) == 1


async def test_a_put_is_one_request(stub: Stub, tmp_path: Path) -> None:
    """A small put sends its body at once, with its checksum signed and its condition, and asks for nothing before."""

    async def handler(request: web.Request) -> web.Response:
        is_get = request.method == "GET"
        return web.Response(status=404, text=refusal("NoSuchKey")) if is_get else web.Response(headers={"ETag": '"x"'})

    await stub.storage(handler, tmp_path).publish(publication(FIRST, sidecar=None))
    *_, (method, _path, headers) = stub.peer.asked
    assert [asked[0] for asked in stub.peer.asked] == ["GET", "PUT"]
    assert method == "PUT"
    assert headers["If-None-Match"] == "*"
    assert "x-amz-checksum-sha256" in headers["Authorization"]
    assert not {"Expect", "Transfer-Encoding"} & set(headers)


async def test_errors_hold_no_secrets(stub: Stub, tmp_path: Path) -> None:
    """S5: what a store repeats of a request's credentials does not reach the error."""
    more = f"<AWSAccessKeyId>{ACCESS_KEY_ID}</AWSAccessKeyId><StringToSign>{SECRET_ACCESS_KEY}</StringToSign>"
    handler = answering(403, refusal("SignatureDoesNotMatch", "differs", more))
    error = await error_of(stub.storage(handler, tmp_path).publish(publication(FIRST)))
    assert SECRET_ACCESS_KEY not in f"{error} {error.facts()} {error.__cause__} {error.__cause__!r}"
    assert SECRET_ACCESS_KEY not in repr(options_for(stub.peer.origin, tmp_path))


async def test_a_store_in_trouble_is_asked_before_new_work(stub: Stub, tmp_path: Path) -> None:
    """R3: after a failure ``admit`` asks the store; after a success it does not."""
    status = 503

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"ETag": '"x"'})

    storage = stub.storage(handler, tmp_path)
    await storage.admit()
    assert not stub.peer.asked
    await error_of(storage.read_back(Key("a/b")))
    assert isinstance(await error_of(storage.admit()), StorageUnavailable)
    status = 200
    for _ in range(3):
        await storage.admit()
    assert len(stub.peer.asked) == 3


async def test_tls_that_fails_names_the_certificates(tmp_path: Path) -> None:
    """R3: a certificate of nobody's is an error for the operator, who reads about ca_file."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(TLS / "loopback.crt", TLS / "loopback.key")
    async with serve(answering(404, refusal("NoSuchKey")), tls) as peer:
        async with storage_at(peer, tmp_path) as storage:
            error = await error_of(storage.read_back(KEY))
        async with storage_at(peer, tmp_path, ca_file=TLS / "loopback.crt") as storage:
            assert await storage.bucket.head("x") is None
    assert not isinstance(error, StorageUnavailable)
    assert "ca_file" in (error.fix or "")


@pytest.mark.parametrize("name", ["GLACIER", "DEEP_ARCHIVE"])
async def test_a_class_that_cannot_be_read_back_is_refused(name: str, tmp_path: Path) -> None:
    """T6: what could never be verified is a configuration error."""
    with pytest.raises(ConfigError) as refused:
        async with open_bucket(NAMES, options_for("http://h", tmp_path, storage_class=name)):
            pytest.fail("it opened")
    assert refused.value.key == "storage.s3.storage_class"


async def test_http_needs_to_be_allowed_wherever_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1: an endpoint without TLS from the environment is refused as one from the file is."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    options = S3Options(spool=tmp_path, spool_size=1, region="eu-central-1")
    with pytest.raises(ConfigError) as refused:
        async with open_bucket(NAMES, options):
            pytest.fail("it opened")
    assert refused.value.key == "storage.s3.allow_http"
