"""The client: aiobotocore, with everything turned off in it that would act on its own.

It does not try again (the pipeline does), does not follow redirects (no recording is sent to a host that nobody
configured; at AWS alone, where the region may be left out, it may ask for the bucket's), and computes no checksums
(ours go with each request, in a header, so that bodies are neither read twice nor sent in chunks of its own making).
Bodies are not hashed for the signature: the checksum header is signed instead. It does not ask whether to go on
(``Expect: 100-continue``) either: that costs every small put a round trip, and a store that gives no answer a hang; the
price is a body sent in vain where the put is refused.

Certificates are judged by the system's authorities and ``ca_file``, beside those that come with the client.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ProfileNotFound
from botocore.handlers import add_expect_header

from archiver.model.errors import ConfigError
from archiver.model.secret import Secret
from archiver.storage.s3.options import S3Options

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_USER_AGENT: Final = f"recording-archiver/{version('recording-archiver')}"
_DEFAULT_REGION: Final = "us-east-1"


@asynccontextmanager
async def open_client(options: S3Options) -> AsyncIterator["S3Client"]:
    """A client for as long as the context is open; nothing is requested of the store yet.

    Raises: ConfigError when the profile, the endpoint or ``ca_file`` is of no use.
    """
    _check_certificates(options)
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(_create(options))
        except ProfileNotFound as error:
            fix = "name a profile that the shared files of AWS have"
            raise ConfigError(str(error), key="storage.s3.profile", fix=fix) from error
        except (BotoCoreError, ValueError) as error:
            raise ConfigError(f"no client for S3 can be made: {error}", key="storage.s3") from error
        _check_scheme(client.meta.endpoint_url, options)
        client.meta.events.unregister("before-call.s3", add_expect_header)
        if options.endpoint:
            client.meta.events.register_last("before-parameter-build.s3", _stay)
        yield client


def _create(options: S3Options) -> "AbstractAsyncContextManager[S3Client]":
    return AioSession(profile=options.profile).create_client(
        "s3",
        region_name=options.region or (_DEFAULT_REGION if options.endpoint else None),
        endpoint_url=options.endpoint,
        verify=str(options.ca_file) if options.ca_file else None,
        aws_access_key_id=_reveal(options.access_key_id),
        aws_secret_access_key=_reveal(options.secret_access_key),
        aws_session_token=_reveal(options.session_token),
        config=_settings(options),
    )


def _settings(options: S3Options) -> AioConfig:
    return AioConfig(
        retries={"total_max_attempts": 1},
        connect_timeout=options.connect_timeout.total_seconds(),
        read_timeout=options.idle_timeout.total_seconds(),
        max_pool_connections=2 * options.concurrency + 16,
        s3={"addressing_style": "path" if options.path_style else "auto", "payload_signing_enabled": False},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra=_USER_AGENT,
        http_session_cls=_Session,
    )


class _Session(AIOHTTPSession):
    """The client's HTTP, less its redirects, and with the system's certificates."""

    def _get_ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    async def _get_session(self, proxy_url: str | None) -> "_Straight":
        return _Straight(await super()._get_session(proxy_url))  # type: ignore[misc]


class _Straight:
    """Requests that go to the host they name, and nowhere else."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        """The answer, be it a redirect."""
        return await self._session.request(*args, allow_redirects=False, **kwargs)


def _stay(context: dict[str, Any], **_: object) -> None:
    """Tell the client that it was redirected already: of a store that redirects everything it would ask for ever."""
    context.setdefault("s3_redirect", {})["redirected"] = True


def _check_certificates(options: S3Options) -> None:
    if options.ca_file is None:
        return
    try:
        ssl.create_default_context().load_verify_locations(options.ca_file)
    except OSError as error:
        reason = error.strerror or error
        message = f"{options.ca_file} cannot be used as certificates: {reason}"
        raise ConfigError(message, key="storage.s3.ca_file", fix="name a file of PEM certificates") from error


def _check_scheme(endpoint: str, options: S3Options) -> None:
    """An endpoint may come from the environment or a profile, too."""
    if not endpoint.startswith("https:") and not options.allow_http:
        raise ConfigError(
            f"the endpoint {endpoint} is not https",
            key="storage.s3.allow_http",
            fix="use https://, or set allow_http = true in [storage.s3]",
        )


def _reveal(secret: Secret | None) -> str | None:
    return secret.reveal() if secret else None
