"""Who gets credentials and who may be contacted, as tables."""

import socket

import pytest

from archiver.model.errors import ConfigError, Permanent
from archiver.net.guard import AddressRefused, Guard, HostPattern, is_public, join, open_public_socket
from tests.accounts import make_account

STRICT = {"allow_http": False, "allow_private_hosts": False, "provider_hosts": ("*.vobiz.ai",)}


def guard(**changes: object) -> Guard:
    """The guard of an ordinary account at Vobiz."""
    return Guard(make_account(**STRICT | changes))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "185.199.108.153", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
)
def test_public_addresses(address: str) -> None:
    """Globally routable addresses are public, also wrapped in IPv6."""
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001:db8::1",
        "2001::1",
        "2002:7f00:1::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_private_addresses(address: str) -> None:
    """S2: loopback, link-local, private, shared, multicast and reserved addresses are none, however wrapped."""
    assert not is_public(address)


def test_the_address_connected_to_is_judged() -> None:
    """S2: the socket for a private address is not even made; one for a public address is."""
    with pytest.raises(AddressRefused):
        open_public_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80)))
    open_public_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443))).close()


@pytest.mark.parametrize(
    ("url", "gets_credentials"),
    [
        ("https://api.vobiz.ai/api/v1/x", True),
        ("https://API.VOBIZ.AI./x", True),
        ("https://media.vobiz.ai/x.mp3", True),
        ("https://vobiz.ai/x", False),
        ("https://evilvobiz.ai/x", False),
        ("https://vobiz.ai.evil.example/x", False),
        ("https://b.s3.amazonaws.com/x?sig=1", False),
    ],
)
def test_credentials_go_to_the_accounts_hosts(url: str, *, gets_credentials: bool) -> None:
    """S1: the host of base_url and the provider's own get the credentials; look-alikes don't."""
    assert guard().judge(url).gets_credentials is gets_credentials


def test_another_port_is_another_host() -> None:
    """S1: by default the credentials go to the port of base_url only; the host may be contacted on any."""
    rules = guard(base_url="https://pbx.example:8443/v2", provider_hosts=())
    assert rules.judge("https://pbx.example:8443/v2/x").gets_credentials
    other = rules.judge("https://pbx.example/x")
    assert (other.gets_credentials, other.is_trusted) == (False, True)


def test_given_credential_hosts_are_the_whole_list() -> None:
    """S1: what the operator lists takes the place of every default; without a port any port is meant."""
    rules = guard(credential_hosts=("pbx.internal", "*.example.com:8443"))
    assert rules.judge("https://pbx.internal:9000/x").gets_credentials
    assert rules.judge("https://a.example.com:8443/x").gets_credentials
    assert not rules.judge("https://a.example.com/x").gets_credentials
    assert not rules.judge("https://api.vobiz.ai/x").gets_credentials


@pytest.mark.parametrize(
    ("url", "is_trusted"),
    [
        ("https://api.vobiz.ai/x", True),
        ("https://media.vobiz.ai/x", False),
        ("https://store.internal/x", False),
    ],
)
def test_only_hosts_that_the_operator_named_may_be_private(url: str, *, is_trusted: bool) -> None:
    """S2: a name that the operator did not give must lead to a public address, the provider's own hosts included."""
    assert guard().judge(url).is_trusted is is_trusted


def test_operators_may_widen_and_narrow() -> None:
    """S2: listed hosts may be private; once there is a list, it is the whole list; and an empty one means none."""
    assert guard(media_hosts=("store.internal",)).judge("https://store.internal/x").is_trusted
    assert guard(allow_private_hosts=True).judge("https://anything.internal/x").is_trusted
    assert guard(media_hosts=()).judge("https://media.vobiz.ai/x").gets_credentials
    for hosts in ((), ("store.internal",)):
        with pytest.raises(Permanent, match="media_hosts"):
            guard(media_hosts=hosts, allow_private_hosts=True).judge("https://b.s3.amazonaws.com/x")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1.",
        "127\u30020\u30020\u30021",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "100.64.0.1",
        "169.254.169.254",
        "2130706433",
        "0x7f000001",
        "0X7F.1",
        "0177.0.0.1",
        "127.1",
        "1.2.3.4.5",
        "8.8.8.8.8",
        "host.1",
    ],
)
def test_literal_private_addresses_are_refused_at_once(host: str) -> None:
    """S2: a private address in a link, however it is spelt, is refused without a connection; the way out is named."""
    with pytest.raises(Permanent, match="no public address") as caught:
        guard().judge(f"https://{host}/x")
    assert caught.value.fix is not None
    assert "allow_private_hosts" in caught.value.fix


@pytest.mark.parametrize(
    "url",
    [
        "http://api.vobiz.ai/x",
        "ftp://api.vobiz.ai/x",
        "file:///etc/passwd",
        "/relative",
        "",
        "https://",
        "https:///x",
        "https://api.vobiz.ai:0/x",
        "https://api.vobiz.ai:99999/x",
        "https://user@api.vobiz.ai/x",
        "https://user:pass@api.vobiz.ai/x",
        "https://:@api.vobiz.ai/x",
        "https://evil.example\\@api.vobiz.ai/x",
        "https://api.vobiz.ai/x\r\nX-Evil: 1",
        "https://[::1/x",
    ],
)
def test_what_is_no_plain_https_address_is_refused(url: str) -> None:
    """S1, S2: other schemes, user-info and malformed addresses are refused, without repeating their secrets."""
    with pytest.raises(Permanent) as caught:
        guard().judge(url)
    assert caught.value.account == "acme"
    assert "pass" not in str(caught.value).replace("password", "").replace("/etc/passwd", "")


def test_http_must_be_allowed() -> None:
    """S1: plain http is for accounts that opt in, and the refusal says how."""
    assert guard(allow_http=True).judge("http://api.vobiz.ai/x").url.scheme == "http"
    with pytest.raises(Permanent) as caught:
        guard().judge("http://api.vobiz.ai/x")
    assert caught.value.fix is not None
    assert "allow_http" in caught.value.fix


def test_international_names_have_one_form() -> None:
    """S1: a name in any script is compared in its encoded form."""
    rules = guard(credential_hosts=("bücher.example",))
    assert rules.judge("https://xn--bcher-kva.example/x").gets_credentials
    assert rules.judge("https://BÜCHER.example/x").gets_credentials


def test_an_address_goes_out_as_it_came() -> None:
    """A signature covers an address as it is written, so its escapes stay."""
    url = "https://b.s3.amazonaws.com/a%2Fb/x.mp3?sig=x%2By%3D%3D&e=a+b"
    assert str(guard().judge(url).url) == url


@pytest.mark.parametrize(
    ("address", "joined"),
    [
        ("/media/r1.mp3", "https://h:1/media/r1.mp3"),
        ("?a=b", "https://h:1/api/v1?a=b"),
        ("//other/x", "https://other/x"),
        ("https://other/x?", "https://other/x?"),
        ("HTTP://other/x", "HTTP://other/x"),
        ("//[", "//["),
    ],
)
def test_relative_addresses_are_joined(address: str, joined: str) -> None:
    """A relative link is read where it was found; an absolute one is left as it is written."""
    assert join("https://h:1/api/v1", address) == joined


@pytest.mark.parametrize("text", ["", "a b", "user@host", "host/path", "host:port", "host:99999", "*"])
def test_patterns_that_are_none(text: str) -> None:
    """A host in the configuration that is none is an error, and names itself."""
    with pytest.raises(ValueError, match="host"):
        HostPattern.parse(text)


def test_patterns_of_addresses() -> None:
    """An IPv6 address is a host with and without brackets; a port needs them."""
    assert HostPattern.parse("::1") == HostPattern.parse("[::1]") == HostPattern("::1")
    assert HostPattern.parse("[::1]:8443") == HostPattern("::1", 8443)


@pytest.mark.parametrize(
    "changes", [{"base_url": "http://api.vobiz.ai"}, {"base_url": "api.vobiz.ai"}, {"media_hosts": ("a b",)}]
)
def test_an_account_that_cannot_be_guarded(changes: dict[str, object]) -> None:
    """An account whose own addresses are no good is a ConfigError before any request (T6)."""
    with pytest.raises(ConfigError):
        guard(**changes)
