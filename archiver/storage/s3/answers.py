"""What a store's refusals and the client's exceptions mean to us: each becomes one of our errors, by its name.

Source: Amazon S3 API Reference, "Error responses", read 2026-11; botocore.exceptions.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import (
    ConnectionError as ClientConnectionError,
)

from archiver.model.errors import ArchiverError, ConfigError, StorageError, StorageUnavailable

_LONGEST_MESSAGE: Final = 300
_FULL: Final = frozenset({"InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "EntityTooLarge"})
_CREDENTIALS: Final = (
    "check access_key_id, secret_access_key and session_token in [storage.s3], or the environment or profile they "
    "come from",
    "storage.s3.access_key_id",
)
_REGION: Final = ("set storage.s3.region to where the bucket is, and check storage.s3.endpoint", "storage.s3.region")
_KMS: Final = ("check storage.s3.kms_key_id, and that these credentials may use the key", "storage.s3.kms_key_id")
_LOCK: Final = (
    "create a bucket with Object Lock, or remove object_lock and retain from [storage.s3]",
    "storage.s3.object_lock",
)
_FIXES: Final[Mapping[str, tuple[str, str | None]]] = MappingProxyType({
    "AuthorizationHeaderMalformed": _REGION,
    "AuthorizationQueryParametersError": _CREDENTIALS,
    "ExpiredToken": _CREDENTIALS,
    "IllegalLocationConstraintException": _REGION,
    "InvalidAccessKeyId": _CREDENTIALS,
    "InvalidBucketName": ("correct the bucket in storage.url", "storage.url"),
    "InvalidEndpoint": ("correct storage.s3.endpoint", "storage.s3.endpoint"),
    "InvalidObjectState": ("the object lies in an archive class: restore it at the store, then try again", None),
    "InvalidStorageClass": ("name a class that the store has", "storage.s3.storage_class"),
    "InvalidTag": ("correct the tags; at most 10 of them", "storage.s3.tags"),
    "InvalidToken": _CREDENTIALS,
    "KeyTooLongError": ("shorten storage.key, or the prefix in storage.url", "storage.key"),
    "NoSuchBucket": ("create the bucket, or correct storage.url", "storage.url"),
    "ObjectLockConfigurationNotFoundError": _LOCK,
    "PermanentRedirect": _REGION,
    "RequestTimeTooSkewed": ("set this machine's clock right, by NTP (timedatectl set-ntp true)", None),
    "SignatureDoesNotMatch": _CREDENTIALS,
    "TokenRefreshRequired": _CREDENTIALS,
})  # fmt: skip
_ACTIONS: Final = MappingProxyType({
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "complete_multipart_upload": "s3:PutObject",
    "copy_object": "s3:GetObject and s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "delete_object": "s3:DeleteObject",
    "get_object": "s3:GetObject, and s3:ListBucket for what is not there",
    "get_object_lock_configuration": "s3:GetBucketObjectLockConfiguration",
    "head_object": "s3:GetObject, and s3:ListBucket for what is not there",
    "list_multipart_uploads": "s3:ListBucketMultipartUploads",
    "list_object_versions": "s3:ListBucketVersions",
    "list_objects_v2": "s3:ListBucket",
    "put_object": "s3:PutObject (s3:PutObjectTagging for tags, s3:PutObjectRetention for object_lock)",
    "upload_part": "s3:PutObject",
})  # fmt: skip


class Absent(StorageError):
    """There is no such object."""


class ConditionFailed(StorageError):
    """The object is not what the request made its condition."""


class Unsupported(StorageError):
    """The store does not do this at all."""


class UploadLost(StorageUnavailable):
    """The multipart upload was aborted, or completed by a request whose answer was lost; trying again finds out."""


class Corrupted(StorageUnavailable):
    """The store got other bytes than their checksum says; it kept none of them."""


_KINDS: Final[Mapping[str, type[StorageError]]] = MappingProxyType({
    "BadDigest": Corrupted,
    "BandwidthLimitExceeded": StorageUnavailable,
    "ConditionalRequestConflict": StorageUnavailable,
    "IncompleteBody": StorageUnavailable,
    "InternalError": StorageUnavailable,
    "InvalidDigest": Corrupted,
    "MethodNotAllowed": Unsupported,
    "NoSuchKey": Absent,
    "NoSuchUpload": UploadLost,
    "NotImplemented": Unsupported,
    "OperationAborted": StorageUnavailable,
    "PreconditionFailed": ConditionFailed,
    "PriorRequestNotComplete": StorageUnavailable,
    "RequestLimitExceeded": StorageUnavailable,
    "RequestTimeout": StorageUnavailable,
    "ServiceUnavailable": StorageUnavailable,
    "SlowDown": StorageUnavailable,
    "ThrottlingException": StorageUnavailable,
    "TooManyRequests": StorageUnavailable,
    "XAmzContentChecksumMismatch": Corrupted,
    "XAmzContentSHA256Mismatch": Corrupted,
})  # fmt: skip


@contextmanager
def translated(operation: str, where: str) -> Iterator[None]:
    """Turn what the client raises inside into one of our errors. ``where`` is the object or bucket it was about."""
    action = f"cannot {operation.replace('_', ' ')} {where}"
    try:
        yield
    except ClientError as error:
        raise _refusal(operation, action, error.response) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        fix, key = _CREDENTIALS
        raise ConfigError(f"{action}: there are no credentials for the bucket", fix=fix, key=key) from error
    except SSLError as error:
        fix = "check storage.s3.endpoint, and storage.s3.ca_file if the server has a certificate of its own authority"
        raise StorageError(f"{action}: TLS failed: {_cause(error)}", fix=fix, key="storage.s3.endpoint") from error
    except (TimeoutError, ReadTimeoutError) as error:
        raise StorageUnavailable(f"{action}: no byte went either way for too long") from error
    except (
        ClientConnectionError,
        HTTPClientError,
        IncompleteReadError,
        ResponseStreamingError,
        CredentialRetrievalError,
        MetadataRetrievalError,
        TokenRetrievalError,
        aiohttp.ClientError,
    ) as error:
        raise StorageUnavailable(f"{action}: {_cause(error)}") from error
    except UnauthorizedSSOTokenError as error:
        raise StorageError(f"{action}: {_cause(error)}", fix="run: aws sso login", key="storage.s3.profile") from error
    except (BotoCoreError, ValueError) as error:
        raise StorageError(f"{action}: {_cause(error)}") from error


def _refusal(operation: str, action: str, response: Mapping[str, Any]) -> ArchiverError:
    error, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    code, status = str(error.get("Code", "")), int(metadata.get("HTTPStatusCode", 0))
    message = f"{action}: {code or status}: {_short(str(error.get('Message', '')))}"
    request_id = metadata.get("RequestId") or None
    kind = _kind(operation, code, status)
    fix, key = _fix(operation, code, status)
    return kind(message, fix=fix, key=key, request_id=request_id)


def _kind(operation: str, code: str, status: int) -> type[StorageError]:
    if code in _KINDS:
        return _KINDS[code]
    if status == 412 or (status == 404 and operation == "head_object"):  # a HEAD's refusal has no words
        return ConditionFailed if status == 412 else Absent
    if status in (405, 501):
        return Unsupported
    is_passing = status in (307, 429) or (status >= 500 and status != 507 and code not in _FULL)
    return StorageUnavailable if is_passing else StorageError


def _fix(operation: str, code: str, status: int) -> tuple[str | None, str | None]:
    if code in _FIXES:
        return _FIXES[code]
    if code in _FULL or status == 507:
        return "make room in the bucket, or raise its quota", None
    if code.startswith("KMS."):
        return _KMS
    if status == 301:
        return _REGION
    if status == 403:
        return f"allow these credentials {_ACTIONS.get(operation, 'this')} below storage.url", "storage.url"
    return None, None


def _cause(error: Exception) -> str:
    """The innermost words that the client has, which name no credentials."""
    inner = error.kwargs.get("error") if isinstance(error, BotoCoreError) else None
    return _short(str(inner or error) or type(error).__name__)


def _short(text: str) -> str:
    words = " ".join(text.split()) or "no message"
    return words if len(words) <= _LONGEST_MESSAGE else words[:_LONGEST_MESSAGE] + "…"
