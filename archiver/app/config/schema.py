"""Every option there is: its name, its kind, its bounds and its default. The names are those of the file.

What is read from the file is frozen: paths are absolute, secrets resolved, durations and sizes parsed.
"""

from collections.abc import Mapping
from dataclasses import field, fields
from datetime import UTC, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal, Self

from annotated_types import Gt, MinLen
from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from archiver.app.config.expression import Cron, Every
from archiver.app.config.problems import Wrong
from archiver.app.config.values import (
    Address,
    BaseUrl,
    Bucket,
    CatalogDsn,
    Count,
    Duration,
    FileMode,
    Flag,
    Hook,
    Host,
    Instant,
    Listen,
    LocalPath,
    Proxy,
    RateLimit,
    SecretText,
    ServerDsn,
    Share,
    Size,
    Span,
    StorageUrl,
    Template,
    Text,
    When,
    Zone,
    lasting,
    split_url,
)
from archiver.model.objects import KeyTemplate
from archiver.model.secret import Secret
from archiver.model.units import Rate

_STRICT: Final = ConfigDict(extra="forbid", hide_input_in_errors=True)
_EMBEDDED: Final = "embedded:"
_FILE: Final = "file:"

Texts = Annotated[frozenset[Text], MinLen(1)]


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class CatalogConfig:
    """Where the catalog is. ``dsn`` may hold a password; ``listen_dsn`` reaches the same server past a pooler."""

    dsn: CatalogDsn = Field(default=Secret("embedded:./var/catalog"), validate_default=True)
    pool_size: Count = 10
    migrate: Literal["auto", "manual"] = "auto"
    listen_dsn: ServerDsn | None = None

    @property
    def embedded_path(self) -> Path | None:
        """The folder of the private PostgreSQL; None when the catalog is a server elsewhere."""
        dsn = self.dsn.reveal()
        return Path(dsn.removeprefix(_EMBEDDED)) if dsn.startswith(_EMBEDDED) else None


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class S3Config:
    """How a bucket is reached, what its objects get, and how copies are verified.

    Without keys the client's own chain of credentials is used.
    """

    endpoint: BaseUrl | None = None
    region: Text | None = None
    access_key_id: SecretText | None = None
    secret_access_key: SecretText | None = None
    session_token: SecretText | None = None
    profile: Text | None = None
    path_style: Flag = False
    allow_http: Flag = False
    ca_file: LocalPath | None = None
    storage_class: Text | None = None
    sse: Literal["AES256", "aws:kms"] | None = None
    kms_key_id: Text | None = None
    tags: Annotated[Mapping[str, Text], AfterValidator(MappingProxyType)] = field(
        default_factory=lambda: MappingProxyType({})
    )
    object_lock: Literal["GOVERNANCE", "COMPLIANCE"] | None = None
    retain: Span | None = None
    verify: Literal["read", "checksum"] = "read"

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.endpoint and not self.allow_http and split_url(self.endpoint).scheme == "http":
            raise Wrong("must begin with https://", fix="or set allow_http = true beside it", key="endpoint")
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise Wrong("needs the other one of access_key_id and secret_access_key", key=self._lone_key())
        if self.session_token and not self.access_key_id:
            raise Wrong("needs access_key_id and secret_access_key", key="session_token")
        if self.kms_key_id and self.sse != "aws:kms":
            raise Wrong('needs sse = "aws:kms"', key="kms_key_id")
        if (self.object_lock is None) != (self.retain is None):
            key = "object_lock" if self.object_lock else "retain"
            raise Wrong('object_lock and retain need each other, like "GOVERNANCE" and "7y"', key=key)
        return self

    def _lone_key(self) -> str:
        return "access_key_id" if self.access_key_id else "secret_access_key"


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class StorageConfig:
    """Where recordings are kept. ``url`` is absolute; exactly one of ``directory`` and ``bucket`` is not None."""

    url: StorageUrl = Field(default="file:./var/recordings", validate_default=True)
    key: Template = KeyTemplate("{account}/{started_at:%Y/%m/%d}/{recording_id}.{format}")
    sidecar: Flag = True
    min_free: Size = 2**30
    file_mode: FileMode = 0o640
    s3: S3Config = field(default_factory=S3Config)

    @property
    def directory(self) -> Path | None:
        """The root folder, absolute; None for a bucket."""
        return Path(self.url.removeprefix(_FILE)) if self.url.startswith(_FILE) else None

    @property
    def bucket(self) -> Bucket | None:
        """The bucket and its prefix; None for a directory."""
        if self.directory:
            return None
        name, _, prefix = self.url.removeprefix("s3://").partition("/")
        return Bucket(name, prefix)


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class TransferConfig:
    """How recordings are brought here. Sizes are in bytes; ``bandwidth`` in bytes per second, 0 without a cap."""

    concurrency: Count = 32
    processes: Count = 1
    max_attempts: Count = 5
    backoff: Annotated[Span, lasting(at_most=timedelta(hours=6))] = timedelta(seconds=1)
    lease: Annotated[Duration, lasting(at_least=timedelta(seconds=2))] = timedelta(seconds=60)
    connect_timeout: Span = timedelta(seconds=10)
    idle_timeout: Span = timedelta(seconds=60)
    max_size: Annotated[Size, Gt(0)] = 4 * 2**30
    bandwidth: Size = 0
    spool: LocalPath = Field(default=Path("var/spool"), validate_default=True)
    spool_size: Annotated[Size, Gt(0)] = 4 * 2**30
    shutdown_grace: Duration = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class ScheduleConfig:
    """When the daemon does what. Accounts may have their own first four."""

    walk: When = Every(timedelta(minutes=15))
    full_walk: When = Cron(minute="17", hour="3", day="*", month="*", weekday="*")
    verify: When = Every(timedelta(hours=1))
    delete: When = Every(timedelta(hours=1))
    fixity_interval: Span = timedelta(days=90)
    jitter: Duration = timedelta(seconds=30)
    timezone: Zone = UTC


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class OpsConfig:
    """The endpoint for health and metrics; ``listen`` None is off. Beyond loopback it asks for ``token``."""

    listen: Listen = Address("127.0.0.1", 8321)
    token: SecretText | None = None
    max_unarchived_age: Span = timedelta(hours=6)
    max_walk_age: Span = timedelta(hours=2)

    @model_validator(mode="after")
    def _ask_for_a_token(self) -> Self:
        if self.listen and not self.listen.is_loopback and self.token is None:
            fix = 'set token = { env = "ARCHIVER_OPS_TOKEN" }, or listen on 127.0.0.1'
            raise Wrong("is reachable from other machines and needs a token", fix=fix, key="listen")
        return self


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class NotifyConfig:
    """Whom to tell. Both URLs may hold secrets: ``webhook`` gets notices, ``heartbeat`` a sign of life after each good
    cycle. ``secret`` signs notices; an account is told of after ``failing_intervals`` scheduled walks that failed."""

    webhook: Hook | None = None
    heartbeat: Hook | None = None
    secret: SecretText | None = None
    failing_intervals: Count = 2

    @model_validator(mode="after")
    def _sign_something(self) -> Self:
        if self.secret is not None and self.webhook is None:
            raise Wrong("signs nothing without a webhook", key="secret")
        return self


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class LogConfig:
    """How much is logged, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console", "auto"] = "auto"


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class SelectionConfig:
    """An ``include`` or ``exclude`` table: lists of values, and inclusive bounds of the duration."""

    direction: Annotated[frozenset[Literal["inbound", "outbound", "internal"]], MinLen(1)] | None = None
    from_number: Texts | None = None
    to_number: Texts | None = None
    number: Texts | None = None
    type: Texts | None = None
    listing: Texts | None = None
    format: Texts | None = None
    min_duration: Duration | None = None
    max_duration: Duration | None = None

    @model_validator(mode="after")
    def _say_something(self) -> Self:
        if all(getattr(self, one.name) is None for one in fields(self)):
            raise Wrong("names nothing to select by", fix="remove it, or give it a key such as direction or number")
        if self.min_duration and self.max_duration is not None and self.min_duration > self.max_duration:
            raise Wrong("is longer than max_duration, so that nothing could match", key="min_duration")
        return self


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class DeleteRemoteConfig:
    """Whether and how remote copies are deleted. ``after`` counts from verification; ``max_share`` is a breaker."""

    enabled: Flag = False
    after: Duration = timedelta(days=7)
    max_per_run: Count = 1000
    max_share: Share = 0.5
    rate_limit: RateLimit = Rate(1, timedelta(seconds=1))


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class AccountTable:
    """What an account's table may hold beside ``provider`` and that provider's own options.

    None means the provider's default, or that of ``[schedule]``, or that there is none.
    """

    enabled: Flag = True
    base_url: BaseUrl | None = None
    walk: When | None = None
    full_walk: When | None = None
    verify: When | None = None
    delete: When | None = None
    concurrency: Count | None = None
    rate_limit: RateLimit | None = None
    burst: Count | None = None
    page_size: Count | None = None
    overlap: Duration | None = None
    lag: Duration | None = None
    since: Instant | None = None
    include: SelectionConfig | None = None
    exclude: SelectionConfig | None = None
    remote_retention: Span | None = None
    retention: Span | None = None
    proxy: Proxy | None = None
    ca_file: LocalPath | None = None
    allow_http: Flag = False
    allow_private_hosts: Flag = False
    credential_hosts: tuple[Host, ...] | None = None
    media_hosts: tuple[Host, ...] | None = None
    delete_remote: DeleteRemoteConfig = field(default_factory=DeleteRemoteConfig)

    @model_validator(mode="after")
    def _stay_private(self) -> Self:
        if self.base_url and not self.allow_http and split_url(self.base_url).scheme == "http":
            fix = "use https://, or set allow_http = true in this account's table"
            raise Wrong("would send credentials unencrypted over http", fix=fix, key="base_url")
        return self
