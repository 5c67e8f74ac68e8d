"""Facts out of a provider's JSON, as tables."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from archiver.model.recording import ListingName
from archiver.providers import fields
from tests.accounts import make_account

ABSURD: list[object] = [
    "",
    "x",
    "NaN",
    "-NaN",
    "Infinity",
    "1E+999999999",
    "1" * 5000,
    None,
    True,
    [],
    {},
    "12,5",
    "0x10",
]


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2025-11-06 13:49:10.751756+00:00", datetime(2025, 11, 6, 13, 49, 10, 751756, tzinfo=UTC)),
        ("2025-11-06 13:49:10.75175+00:00", datetime(2025, 11, 6, 13, 49, 10, 751750, tzinfo=UTC)),
        ("2026-03-25 10:00:00.000000+05:30", datetime(2026, 3, 25, 4, 30, tzinfo=UTC)),
        ("2025-11-06T13:49:10Z", datetime(2025, 11, 6, 13, 49, 10, tzinfo=UTC)),
        ("2019-01-01T00:00:00+0000", datetime(2019, 1, 1, tzinfo=UTC)),
        ("2025-11-06 13:49:10", None),
        ("0001-01-01 00:00:00+05:30", None),
        ("1970-01-01T00:00:00Z", None),
        ("2025-02-30 00:00:00+00:00", None),
        (1762436939422, None),
        (None, None),
    ],
)
def test_instant(value: object, moment: datetime | None) -> None:
    """D5: a time with an offset is an instant in UTC; without one, or where no call can lie, it is unknown."""
    found = fields.instant(value)
    assert found == moment
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("1762436939422.00000", datetime(2025, 11, 6, 13, 48, 59, 422000, tzinfo=UTC)),
        (1762436939422, datetime(2025, 11, 6, 13, 48, 59, 422000, tzinfo=UTC)),
        ("1762436939422.12345", datetime(2025, 11, 6, 13, 48, 59, 422123, tzinfo=UTC)),
        ("0.00000", None),
        ("-1762436939422", None),
        ("1762436939", None),
        ("1762436939422000", None),
        *((value, None) for value in ABSURD),
    ],
)
def test_instant_of_milliseconds(value: object, moment: datetime | None) -> None:
    """D5: milliseconds since 1970 are read as a number or as text; seconds and microseconds are not taken for them."""
    assert fields.instant_of_milliseconds(value) == moment


@pytest.mark.parametrize(
    ("value", "length"),
    [
        ("7880.00000", timedelta(milliseconds=7880)),
        (0, timedelta(0)),
        (1500.5, timedelta(milliseconds=1500, microseconds=500)),
        ("-1", None),
        ("99999999999", None),
        *((value, None) for value in ABSURD),
    ],
)
def test_length_of_milliseconds(value: object, length: timedelta | None) -> None:
    """A length is read as a number or as text with decimals; what no call can last is unknown."""
    assert fields.length_of_milliseconds(value) == length


@pytest.mark.parametrize(
    ("value", "number"), [(57, 57), ("57", 57), (57.0, 57), (-1, None), (0.5, None), (10**50, None)]
)
def test_count(value: object, number: int | None) -> None:
    """A total is a whole number that is not below zero."""
    assert fields.count(value) == number


@pytest.mark.parametrize("value", ["d7801b2e-e76d", "rec_XXXX", "a b", "ü", "%2F?x=1#y", "x" * 200])
def test_required_id_is_opaque(value: str) -> None:
    """Whatever is printable and no path is an id, unchanged."""
    assert fields.required_id(value) == value


@pytest.mark.parametrize(
    "value",
    [None, "", 7, "x" * 201, "a/b", "a\\b", "..", "a..b", ".", "a\nb", "a\x00", "\ud800", " a", "a ", "\u202ea", {}],
)
def test_required_id_is_no_path(value: object) -> None:
    """S3: an id that is missing, overlong, a path or unprintable makes its row malformed."""
    with pytest.raises(fields.Unusable):
        fields.required_id(value)


def test_fingerprint_ignores_the_order_of_members() -> None:
    """Equal JSON has equal fingerprints; any change makes another."""
    assert fields.fingerprint({"a": 1, "b": [2]}) == fields.fingerprint({"b": [2], "a": 1})
    assert fields.fingerprint({"a": 1}) != fields.fingerprint({"a": "1"})


def test_quarantine_keeps_what_its_fingerprint_leaves_out() -> None:
    """A row whose volatile members changed is kept as it is now, under the same fingerprint."""
    quarantine = fields.Quarantine(volatile=frozenset({"link"}))
    before, after = (quarantine.keep({"id": 1, "link": link}, ListingName("all"), "no id") for link in ("a", "b"))
    assert before.fingerprint == after.fingerprint
    assert json.loads(after.document) == {"id": 1, "link": "b"}


def test_quarantine_keeps_no_secret_and_no_endless_row() -> None:
    """What lies at a secret's pointer is not kept, nor what a row has beyond 10,000 characters (S5)."""
    kept = fields.Quarantine(secrets=("/url",)).keep({"url": "s3-key", "x": "y" * 20_000}, ListingName("all"), "no id")
    assert "s3-key" not in kept.document
    assert len(kept.document) == 10_000


def test_listing_errors_name_account_and_request() -> None:
    """An answer that cannot be believed is traced by the id that it carries."""
    error = fields.listing_error(make_account(), "an unknown shape", {"request_id": "q-1"})
    assert (error.message, error.account, error.request_id) == ("account acme: an unknown shape", "acme", "q-1")


@pytest.mark.parametrize("value", [None, [], "name", {"other": 1}])
def test_members_of_what_has_none_are_none(value: object) -> None:
    """A member is looked for in anything that JSON can hold."""
    assert fields.member(value, "name") is None
    assert fields.member({"name": value}, "name") == value
