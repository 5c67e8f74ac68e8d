"""The kinds of value that options have: how each is read from TOML, and what it becomes."""

import ipaddress
import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Annotated, Final, TypeAlias, TypeVar
from urllib.parse import SplitResult, urlsplit

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import AfterValidator, PlainValidator, Strict, ValidationInfo

from archiver.app.config.expression import Expression, parse_expression
from archiver.app.config.problems import Wrong, kind_of
from archiver.app.config.secrets import Sources, resolve
from archiver.model.objects import KeyTemplate
from archiver.model.secret import Secret
from archiver.model.units import Rate, format_duration, parse_duration, parse_rate, parse_size

_Value = TypeVar("_Value")
_LONGEST: Final = timedelta(days=100 * 365)  # any instant of ours, plus or minus this, is still a date
_HOST: Final = re.compile(
    r"(\*\.)?[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?(:\d{1,5})?|\[[0-9a-f:.]+\](:\d{1,5})?", re.IGNORECASE
)
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_NO_URL: Final = 'must be a URL, like "https://example.com"'
_OWN_HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 picks one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, and what every key in it begins with; ``prefix`` has no slash at its ends and may be empty."""

    name: str
    prefix: str


def _reads(parse: Callable[[str], _Value], example: str) -> PlainValidator:
    def read(value: object) -> _Value:
        if not isinstance(value, str):
            raise Wrong(f"must be {example}, not {kind_of(value)}")
        return parse(value)

    return PlainValidator(read)


def lasting(at_least: timedelta = timedelta(0), at_most: timedelta = _LONGEST) -> AfterValidator:
    """Bounds of a duration, both included."""

    def check(duration: timedelta) -> timedelta:
        if duration < at_least:
            raise Wrong(f"must be at least {format_duration(at_least)}")
        if duration > at_most:
            raise Wrong(f"must be at most {format_duration(at_most)}")
        return duration

    return AfterValidator(check)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise Wrong(f"there is no time zone {name!r} here", fix='name one like "Europe/Berlin" or "UTC"') from None


def _mode(text: str) -> int:
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise Wrong(f'{text!r} is no file mode; write it like "0640"')
    mode = int(text, 8)
    if mode & 0o600 != 0o600:
        raise Wrong(
            f"{text!r} keeps the archiver itself from reading and writing its files", fix='write "0600" or more'
        )
    return mode


def _address(text: str) -> Address | None:
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535 or not _HOST.fullmatch(host or _OWN_HOST):
        raise Wrong(f'{text!r} is no address; write it like "{_OWN_HOST}:8321", or "" for none')
    return Address(host.strip("[]") or _OWN_HOST, int(port))


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise Wrong("is no host", fix='write it like "example.com", "example.com:8443" or "*.example.com"')
    return text.lower()


def split_url(text: str) -> SplitResult:
    """The parts of an http or https URL. Raises: ValueError, which doesn't show the URL, when it is none."""
    try:
        url = urlsplit(text)
        is_sound = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        raise Wrong(_NO_URL) from None
    if not is_sound or not text.isprintable() or " " in text:
        raise Wrong(_NO_URL)
    return url


def _base_url(text: str) -> str:
    url = split_url(text)
    if url.username is not None or url.password is not None:
        raise Wrong("must not hold a user name or password", fix="give credentials by their own keys")
    if "?" in text or "#" in text:
        raise Wrong("must have no query and no fragment", fix='cut it off before the "?" or "#"')
    return text.rstrip("/")


def _storage_url(text: str, folder: Path) -> str:
    scheme, _, rest = text.partition(":")
    if scheme == "file":
        path = rest.removeprefix("//")
        if not path or (path != rest and not path.startswith("/")):
            raise Wrong("names no directory", fix='write it like "file:./var/recordings" or "file:/srv/recordings"')
        return f"file:{folder / path}"
    if scheme != "s3":
        raise Wrong(f"no storage is called {scheme!r}", fix='write "file:PATH" or "s3://BUCKET/PREFIX"')
    bucket, _, prefix = rest.removeprefix("//").partition("/")
    prefix = prefix.strip("/")
    if not rest.startswith("//") or not _BUCKET.fullmatch(bucket) or "?" in prefix or "#" in prefix:
        raise Wrong("names no bucket", fix='write it like "s3://my-bucket/recordings"')
    if prefix and any(not part or part.startswith(".") for part in prefix.split("/")):
        raise Wrong("has a prefix with an empty part, or one that begins with a dot", fix="name the prefix otherwise")
    return f"s3://{bucket}/{prefix}".rstrip("/")


def _dsn(secret: Secret, folder: Path) -> Secret:
    scheme, colon, rest = secret.reveal().partition(":")
    if scheme == "embedded" and rest:
        return Secret(f"embedded:{folder / rest}")
    if not colon or scheme not in ("postgresql", "postgres") or not rest.startswith("//"):
        raise Wrong("is no catalog", fix='write "postgresql://USER@HOST/DATABASE", or "embedded:PATH"')
    return secret


def _server_dsn(secret: Secret, folder: Path) -> Secret:
    if secret.reveal().startswith("embedded:"):
        raise Wrong("must name a server", fix="remove it: an embedded catalog is reached directly")
    return _dsn(secret, folder)


def _hook(secret: Secret, _folder: Path) -> Secret:
    url = split_url(secret.reveal())
    if url.scheme != "https" and not Address(url.hostname or "", 0).is_loopback:
        raise Wrong("must begin with https://, because it may pass through foreign networks")
    return secret


def _proxy(secret: Secret, _folder: Path) -> Secret:
    split_url(secret.reveal())
    return secret


def _instant(value: object) -> datetime:
    """A date is its first moment, and a time without an offset is UTC."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = value.isoformat()
    if not isinstance(value, datetime | str):
        raise Wrong(f"must be a date, like 2026-01-31, not {kind_of(value)}")
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Wrong(f"{str(value)!r} is no date; write it like 2026-01-31 or 2026-01-31T08:00:00Z") from None


def _path(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise Wrong(f"must be a path in quotes, not {kind_of(value) if value != '' else 'empty'}")
    return _sources(info).folder / value


def _secret(check: Callable[[Secret, Path], Secret]) -> PlainValidator:
    def read(value: object, info: ValidationInfo) -> Secret:
        sources = _sources(info)
        return check(value if isinstance(value, Secret) else resolve(value, sources), sources.folder)

    return PlainValidator(read)


def _read_storage_url(value: object, info: ValidationInfo) -> str:
    if not isinstance(value, str):
        raise Wrong(f'must be "file:PATH" or "s3://BUCKET/PREFIX", not {kind_of(value)}')
    return _storage_url(value, _sources(info).folder)


def _sources(info: ValidationInfo) -> Sources:
    return info.context if isinstance(info.context, Sources) else Sources()


_DURATION: Final = _reads(parse_duration, 'a duration in quotes, like "90s", "15m" or "30d"')
_SIZE: Final = _reads(parse_size, 'a size in quotes, like "500kB" or "8MiB"')
_RATE: Final = _reads(parse_rate, 'a rate in quotes, like "10/s" or "10/min"')

Text: TypeAlias = Annotated[str, Strict(), MinLen(1)]
Flag: TypeAlias = Annotated[bool, Strict()]
Count: TypeAlias = Annotated[int, Strict(), Ge(1)]
Share: TypeAlias = Annotated[float, Strict(), Gt(0), Le(1)]
Duration: TypeAlias = Annotated[timedelta, _DURATION, lasting()]
Span: TypeAlias = Annotated[Duration, lasting(at_least=timedelta(milliseconds=1))]
Size: TypeAlias = Annotated[int, _SIZE]
RateLimit: TypeAlias = Annotated[Rate, _RATE]
When: TypeAlias = Annotated[Expression, _reads(parse_expression, 'a schedule in quotes, like "every 15m"')]
Zone: TypeAlias = Annotated[tzinfo, _reads(_zone, 'a time zone in quotes, like "Europe/Berlin"')]
FileMode: TypeAlias = Annotated[int, _reads(_mode, 'a file mode in quotes, like "0640"')]
Listen: TypeAlias = Annotated[Address | None, _reads(_address, f'an address in quotes, like "{_OWN_HOST}:8321"')]
Template: TypeAlias = Annotated[KeyTemplate, _reads(KeyTemplate, "a template in quotes")]
Host: TypeAlias = Annotated[Text, AfterValidator(_host)]
BaseUrl: TypeAlias = Annotated[Text, AfterValidator(_base_url)]
StorageUrl: TypeAlias = Annotated[str, PlainValidator(_read_storage_url)]
LocalPath: TypeAlias = Annotated[Path, PlainValidator(_path)]
Instant: TypeAlias = Annotated[datetime, PlainValidator(_instant)]
SecretText: TypeAlias = Annotated[Secret, _secret(lambda secret, _: secret)]
CatalogDsn: TypeAlias = Annotated[Secret, _secret(_dsn)]
ServerDsn: TypeAlias = Annotated[Secret, _secret(_server_dsn)]
Hook: TypeAlias = Annotated[Secret, _secret(_hook)]
Proxy: TypeAlias = Annotated[Secret, _secret(_proxy)]
