"""What is secret in documents, addresses and texts, as tables."""

import json

import pytest

from archiver.net.redaction import REDACTED, redact, redact_text, redact_url, spellings

SECRET_URLS = [
    "https://user:pass@host/x.mp3",
    "https://user@host/x.mp3",
    "s3://KEY:SECRET@bucket/x",
    "https://b.s3.amazonaws.com/x?X-Amz-Algorithm=A&X-Amz-Signature=ab12",
    "https://b.s3.amazonaws.com/x?AWSAccessKeyId=A&Expires=1&Signature=ab",
    "https://d.cloudfront.net/x?Expires=1&Signature=ab&Key-Pair-Id=K",
    "https://a.blob.core.windows.net/x?sv=1&sig=ab",
    "https://storage.googleapis.com/x?X-Goog-Signature=ab",
    "https://host/x?auth_token=ab",
    "https://host/x?a=1;access_token=ab",
    "https://host/x#access_token=ab",
    "https://host/x?to%6ben=ab",
    "/relative/x.mp3?token=ab",
    "see https://host/x?token=ab for the audio",
]
PLAIN_URLS = [
    "https://media.vobiz.ai/api/v1/Account/MA_X/Recording/r1.mp3",
    "https://host/x?jobId=1&login_name=a",
    "https://host/x?page=2&page_size=10",
    "https://host/x?token=",
    "https://host/a@b.mp3",
    "who? me",
]


@pytest.mark.parametrize("url", SECRET_URLS)
def test_addresses_that_open_doors_are_replaced(url: str) -> None:
    """S5: an address with user-info, or with a signature or token in its query, is replaced as a whole."""
    assert redact({"a": [{"url": url}]}) == ({"a": [{"url": REDACTED}]}, ("/a/0/url",))


@pytest.mark.parametrize("url", PLAIN_URLS)
def test_plain_addresses_are_kept(url: str) -> None:
    """An address that opens nothing is kept as it is."""
    assert redact({"url": url}) == ({"url": url}, ())


@pytest.mark.parametrize(
    "name",
    [
        "auth_token",
        "X-Auth-Token",
        "accessToken",
        "refresh_token",
        "api_key",
        "apiKey",
        "password",
        "client_secret",
        "JWT",
    ],
)
def test_telling_names_are_replaced(name: str) -> None:
    """S5: a value under a name that tells of a secret is replaced, whatever its type."""
    for value in ("abc", 17, {"nested": "abc"}, ["abc"]):
        assert redact({name: value}) == ({name: REDACTED}, (f"/{name}",))


@pytest.mark.parametrize(
    "document", [{"tokens": {"remaining": 9}}, {"auth_token": None}, {"token": ""}, {"has_token": True}]
)
def test_what_is_no_secret_is_kept(document: object) -> None:
    """Counts of tokens, and secrets that are absent, stay."""
    assert redact(document) == (document, ())


def test_an_adapter_may_name_more() -> None:
    """What lies at a pointer that the adapter names is replaced; pointers escape ``/`` and ``~``."""
    document = {"url": "ftp://x", "a/b": {"c~d": {"token": "t"}}}
    redacted, pointers = redact(document, also=["/url"])
    assert redacted == {"url": REDACTED, "a/b": {"c~d": {"token": REDACTED}}}
    assert pointers == ("/url", "/a~1b/c~0d/token")


def test_a_document_can_be_kept() -> None:
    """NUL and lone surrogates, which no catalog holds, become the replacement character, in names too."""
    redacted, _ = redact({"a\x00": ["b\ud800c"]})
    assert redacted == {"a\ufffd": ["b\ufffdc"]}


def test_deep_documents_are_cut_off() -> None:
    """A document of hundreds of levels is cut, not an overflow."""
    document: object = "secret"
    for _ in range(900):
        document = [document]
    redacted, pointers = redact(document)
    assert len(pointers) == 1
    assert "secret" not in json.dumps(redacted)


@pytest.mark.parametrize("url", SECRET_URLS[:12])
def test_messages_show_no_query_and_no_user(url: str) -> None:
    """S5: an address in a message has neither query nor user-info."""
    shown = redact_url(url)
    assert not set(shown) & set("?#@")
    assert "pass" not in shown


def test_texts_of_others_are_tamed() -> None:
    """S5: an excerpt of an error is one short line without control characters, queries and what we sent."""
    text = "no\r\n\x1b[31m such key hunter22: https://u:p@host/x?sig=abc, try again" + "!" * 500
    shown = redact_text(text, secrets=["hunter22"])
    assert shown.startswith("no [31m such key [redacted]: https://host/x")
    assert "abc" not in shown
    assert len(shown) == 200


def test_what_was_sent_has_many_spellings() -> None:
    """S5: every text that was sent, however deep, its words and their encoded forms, longest first; no short ones."""
    found = spellings({"Authorization": "Bearer tok/en=1"}, {"data": [{"key": "a b/c d e", "n": 7}]}, None, ("short",))
    assert set(found) == {
        "Bearer tok/en=1",
        "Bearer%20tok%2Fen%3D1",
        "Bearer+tok%2Fen%3D1",
        "Bearer",
        "tok/en=1",
        "tok%2Fen%3D1",
        "a b/c d e",
        "a%20b%2Fc%20d%20e",
        "a+b%2Fc+d+e",
    }
    assert list(found) == sorted(found, key=len, reverse=True)
