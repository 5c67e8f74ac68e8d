"""Where the credentials of a bucket come from: the file, the environment, a profile, a container, a web identity."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from archiver.model.errors import ConfigError
from archiver.model.secret import Secret
from archiver.storage.s3.names import Names
from archiver.storage.s3.options import S3Options
from archiver.storage.s3.storage import open_bucket
from tests.fakes.web import Peer, answering, serve

NAMES = Names("calls", "")
DOCUMENT = '{"AccessKeyId": "KEY", "SecretAccessKey": "S", "Token": "T", "Expiration": "2999-01-01T00:00:00Z"}'
IDENTITY = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>KEY</AccessKeyId><SecretAccessKey>S</SecretAccessKey>
<SessionToken>T</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment without any credentials of its own."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


async def used_at(peer: Peer, **more: Any) -> str:
    """The ``Authorization`` that a request to a store goes out with."""
    options = S3Options(
        spool=Path(), spool_size=1, endpoint=f"{peer.origin}/s3", path_style=True, allow_http=True, **more
    )
    async with open_bucket(NAMES, options) as storage:
        await storage.bucket.head("x")
    return next(headers["Authorization"] for _, path, headers in reversed(peer.asked) if path.startswith("/s3"))


async def test_static_keys() -> None:
    """Keys of the configuration are used as they are."""
    async with serve(answering(404)) as peer:
        used = await used_at(peer, access_key_id=Secret("KEY"), secret_access_key=Secret("S"))
    assert "Credential=KEY/" in used


async def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without keys in the configuration those of the environment are used."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "S")
    async with serve(answering(404)) as peer:
        assert "Credential=KEY/" in await used_at(peer)


async def test_a_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A profile of the shared files is used by its name."""
    shared = tmp_path / "credentials"
    shared.write_text("[archive]\naws_access_key_id = KEY\naws_secret_access_key = S\n", "utf-8")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(shared))
    async with serve(answering(404)) as peer:
        assert "Credential=KEY/" in await used_at(peer, profile="archive")


async def test_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's endpoint gives credentials for a while."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=DOCUMENT) if request.path == "/role" else web.Response(status=404)

    async with serve(handler) as peer:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{peer.origin}/role")
        assert "Credential=KEY/" in await used_at(peer)


async def test_an_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    """An instance's role gives credentials for a while."""

    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("/token"):
            return web.Response(text="TOKEN")
        if request.path.endswith("/security-credentials/"):
            return web.Response(text="role")
        return web.Response(text=DOCUMENT) if request.path.endswith("/role") else web.Response(status=404)

    async with serve(handler) as peer:
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", peer.origin)
        assert "Credential=KEY/" in await used_at(peer)


async def test_a_web_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A token of a cluster's is exchanged for credentials."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=404) if request.path.startswith("/s3") else web.Response(text=IDENTITY)

    (tmp_path / "token").write_text("a.b.c", "utf-8")
    async with serve(handler) as peer:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", peer.origin)
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/archiver")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
        assert "Credential=KEY/" in await used_at(peer)


async def test_none() -> None:
    """T6: without any credentials the error names the key to set; nothing went out."""
    async with serve(answering(404)) as peer:
        with pytest.raises(ConfigError) as refused:
            await used_at(peer)
    assert refused.value.key == "storage.s3.access_key_id"
    assert not peer.asked


async def test_a_profile_that_is_not_there() -> None:
    """T6: a profile that the shared files lack is a configuration error."""
    async with serve(answering(404)) as peer:
        with pytest.raises(ConfigError, match="archive") as refused:
            await used_at(peer, profile="archive")
    assert refused.value.key == "storage.s3.profile"
