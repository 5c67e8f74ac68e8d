"""Which hosts get credentials, and which may be contacted at all.

A provider's answer names addresses: media links and redirects. Left alone they could carry our credentials to a
stranger (S1) or make us read the operator's own network (S2). So every address is judged here before each hop, and
where only public addresses are allowed, once more on the address that is really connected to: a name is no proof.

A host is trusted, and may be private, when the operator named it: as the host of ``base_url``, in
``credential_hosts`` or in ``media_hosts``. A host that only the provider's defaults name gets the credentials, but
must be public. Behind a proxy it is the proxy that resolves names, so there only literal addresses can be judged.
"""

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final, Self
from urllib.parse import urljoin

from yarl import URL

from archiver.model.account import Account
from archiver.model.errors import ConfigError, Permanent
from archiver.net.redaction import redact_url

_HOST: Final = re.compile(r"[a-z0-9_][a-z0-9_.:-]*|::[0-9a-f:.]*")
_SCHEME: Final = re.compile(r"\s*[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_NUMERIC: Final = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
"""A host that ends in a number is no name, but an IPv4 address to some: 127.1, 0177.0.0.1, 0x7f000001, 2130706433."""
_NAT64: Final = ip_network("64:ff9b::/96")
_GLOBAL_UNICAST: Final = ip_network("2000::/3")
_NEVER_PUBLIC: Final = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))
"""Special ranges that not every Python we support knows. Source: IANA special-purpose address registries."""


class AddressRefused(OSError):
    """The address behind a host is not a public one. Its text names no address, so that several refusals are one."""

    def __init__(self) -> None:
        super().__init__("not a public address")


def is_public(address: str) -> bool:
    """Whether a literal address is globally routable unicast; wrapped IPv4 is judged as the IPv4 that it leads to."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        parsed = _unwrap(parsed)
    if isinstance(parsed, IPv6Address) and parsed not in _GLOBAL_UNICAST:
        return False
    is_special = any(parsed.version == network.version and parsed in network for network in _NEVER_PUBLIC)
    return parsed.is_global and not parsed.is_multicast and not is_special


def _unwrap(address: IPv6Address) -> IPv4Address | IPv6Address:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def open_public_socket(address_info: tuple[Any, ...]) -> socket.socket:
    """Make the socket for an address that is about to be connected to. Raises: AddressRefused."""
    family, kind, protocol, _, address = address_info
    if not is_public(address[0]):
        raise AddressRefused
    return socket.socket(family, kind, protocol)


@dataclass(frozen=True, slots=True)
class HostPattern:
    """``host``, ``host:port`` or ``*.domain`` (with or without a port); without a port any port is meant."""

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a pattern as the operator wrote it. Raises: ValueError when it is none."""
        wildcard, rest = ("*.", text[2:]) if text.startswith("*.") else ("", text)
        if rest.count(":") > 1 and not rest.startswith("["):
            rest = f"[{rest}]"
        try:
            url = URL(f"any://{rest}")
            is_host = bool(_HOST.fullmatch(_plain(url))) and url.raw_user is None and url.path in ("", "/")
        except ValueError:
            url, is_host = URL(), False
        if not is_host:
            raise ValueError(f'{text!r} is no host; write it like "host", "host:8443" or "*.example.com"')
        return cls(wildcard + _plain(url), url.explicit_port)

    def matches(self, host: str, port: int) -> bool:
        """Whether a host in its plain form, at a port, is meant. ``*.domain`` does not mean ``domain`` itself."""
        if self.port is not None and self.port != port:
            return False
        return host.endswith(self.host[1:]) if self.host.startswith("*.") else host == self.host


@dataclass(frozen=True, slots=True)
class Hop:
    """An address that may be contacted: whether with credentials, and whether its host may be a private one."""

    url: URL
    gets_credentials: bool
    is_trusted: bool


class Guard:
    """The rules of one account. Raises: ConfigError when the account's own addresses are no good."""

    def __init__(self, account: Account) -> None:
        self._account = account
        try:
            base = self._parse(account.base_url)
            own = (HostPattern(_plain(base), base.port),)
            self._named = own if account.credential_hosts is None else _patterns(account.credential_hosts)
            self._provided = _patterns(account.provider_hosts if account.credential_hosts is None else ())
            self._media = None if account.media_hosts is None else _patterns(account.media_hosts)
        except Permanent as error:
            raise ConfigError(
                f"base_url: {error.message}", key="base_url", account=account.name, fix=error.fix
            ) from error
        except ValueError as error:
            raise ConfigError(f"{error}", account=account.name) from error
        self._base_host = _plain(base)

    def judge(self, address: str) -> Hop:
        """Decide on an address, be it a link or a redirect.

        Raises: Permanent when it may not be contacted: with user-info, without https, or at a host that is not allowed.
        """
        url = self._parse(address)
        host, port = _plain(url), url.port or 0
        is_named = host == self._base_host or _any(self._named, host, port)
        is_listed = self._media is not None and _any(self._media, host, port)
        gets_credentials = _any((*self._named, *self._provided), host, port)
        if self._media is not None and not (is_named or is_listed or gets_credentials):
            raise self._refusal(url, "is not among its media_hosts", f'add "{host}" to media_hosts')
        hop = Hop(url, gets_credentials, is_named or is_listed or self._account.allow_private_hosts)
        if not hop.is_trusted and _is_private_literal(host):
            raise self.refuse_private(hop)
        return hop

    def refuse_private(self, hop: Hop) -> Permanent:
        """The error for a host that turned out to have no public address."""
        fix = f'if it is meant, add "{_plain(hop.url)}" to media_hosts or set allow_private_hosts'
        return self._refusal(hop.url, "has no public address", fix)

    def _parse(self, address: str) -> URL:
        text = address.strip()
        # What one parser reads as a host another reads as a path; addresses with such characters are nobody's
        if "\\" in text or any(character < " " or character == "\x7f" for character in text):
            raise self._error("an address with characters that no address has")
        try:
            # Signatures cover an address as it is written, so it goes out as it came where that is possible
            url = URL(text, encoded=text.isascii() and " " not in text)
            is_whole = bool(url.host) and (url.port or 0) > 0
        except ValueError:
            raise self._error(f"no usable address: {redact_url(text)}") from None
        if not is_whole or url.scheme not in ("https", "http"):
            raise self._error(f"no usable address: {redact_url(text)}")
        if url.scheme == "http" and not self._account.allow_http:
            raise self._refusal(url, "is asked for without https", "if it is meant, set allow_http = true")
        if url.raw_user is not None or url.raw_password is not None:
            raise self._error(f"an address that carries a user name or a password: {redact_url(text)}")
        return url.with_fragment(None)

    def _refusal(self, url: URL, reason: str, fix: str) -> Permanent:
        message = f"account {self._account.name}: host {_plain(url)} {reason}"
        return Permanent(message, fix=fix, account=self._account.name)

    def _error(self, reason: str) -> Permanent:
        return Permanent(f"account {self._account.name}: {reason}", account=self._account.name)


def join(base: str, address: str) -> str:
    """An address as it reads at ``base``; an absolute one stays as it is written.

    What cannot be joined is given back, for ``Guard.judge`` to refuse.
    """
    if _SCHEME.match(address):
        return address
    try:
        return urljoin(base, address)
    except ValueError:
        return address


def _patterns(hosts: Iterable[str]) -> tuple[HostPattern, ...]:
    return tuple(map(HostPattern.parse, hosts))


def _any(patterns: tuple[HostPattern, ...], host: str, port: int) -> bool:
    return any(pattern.matches(host, port) for pattern in patterns)


def _plain(url: URL) -> str:
    """The host in the one form that is compared: lower case, punycode, no final dot."""
    host = (url.raw_host or "").lower().rstrip(".")
    try:
        return str(ip_address(host))
    except ValueError:
        return host


def _is_private_literal(host: str) -> bool:
    try:
        return not is_public(host)
    except ValueError:
        return bool(_NUMERIC.fullmatch(host))  # nobody links to a public host like this
