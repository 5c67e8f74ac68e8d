"""Keys: safe, short and never shared, whatever a provider calls its recordings."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from archiver.model.objects import Key, KeyTemplate, safe_field, sidecar_key

seeded = settings(derandomize=True, database=None, deadline=None, max_examples=300)
STARTED_AT = datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)
DEFAULT = "{account}/{started_at:%Y/%m/%d}/{recording_id}.{format}"

any_text = st.text(st.characters())
hostile = st.text(st.sampled_from("./~%\\\0\n :AaZ09é\ud800"), max_size=200)
texts = any_text | hostile


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("rec-1.A_b", "rec-1.A_b"),
        ("", "~"),
        ("a/b", "a~2Fb"),
        ("~", "~7E"),
        ("user:745249:1", "user~3A745249~3A1"),
        ("é", "~C3~A9"),
        ("a\0\n", "a~00~0A"),
        ("\ud800", "~ED~A0~80"),
    ],
)
def test_fields_are_escaped(text: str, field: str) -> None:
    """S3: bytes outside the safe set become their hex."""
    assert safe_field(text) == field


@pytest.mark.parametrize("text", [".", "..", ".hidden", "../../etc/passwd", "a" * 151, "é" * 60, "/" * 51])
def test_dots_and_long_fields_are_shortened(text: str) -> None:
    """S3: what begins with a dot or is too long ends in a hash of the original."""
    field = safe_field(text)
    assert re.fullmatch(r".*~~[0-9a-f]{16}", field)
    assert not field.startswith(".")
    assert len(field) <= 150


@seeded
@given(texts)
def test_a_field_is_one_safe_part_of_a_path(text: str) -> None:
    """S3: no separator, no leading dot, no control character, at most 150 bytes, never empty."""
    field = safe_field(text)
    assert re.fullmatch(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*", field)
    assert len(field) <= 150


@seeded
@given(texts, texts)
@example("", "~")
@example(".a", "a")
@example("..a", ".a")
@example("a" * 150, "a" * 151)
@example("a/", "a~2F")
@example("\ud83d\ude00", "\U0001f600")
def test_two_texts_never_meet(one: str, other: str) -> None:
    """S3: different texts have different fields."""
    assume(one != other)
    assert safe_field(one) != safe_field(other)


@seeded
@given(texts)
@example("a" * 151)
@example("/" * 60)
@example("a" * 131 + "/" * 9)
def test_a_field_does_not_imitate_a_shortened_one(text: str) -> None:
    """S3: who knows a shortened field cannot name a recording so that it gets the same."""
    field = safe_field(text)
    assert safe_field(field) != field or field == text


@seeded
@given(any_text.filter(bool), any_text.filter(bool))
@example("x", "x.json")
@example("x.json", "x.json.json")
@example("x", "x~2Ejson")
@example("x.json", "x~2Ejson")
def test_two_recordings_never_share_a_file(one: str, other: str) -> None:
    """S3, O4: neither key nor sidecar of one recording is key or sidecar of another, with or without a suffix."""
    assume(one != other)
    for template in (DEFAULT, "{account}/{recording_id}", "{account}/{recording_id}/audio.{format}"):
        first, second = (key_of(template, recording_id) for recording_id in (one, other))
        assert {first, sidecar_key(first)}.isdisjoint({second, sidecar_key(second)})


def key_of(template: str, recording_id: str) -> Key:
    """The key of a recording of one account, at one time."""
    facts = {"account": "acme", "recording_id": recording_id, "format": "wav", "provider": "vobiz"}
    return KeyTemplate(template).key(facts | {"direction": "", "listing": "recordings"}, STARTED_AT)


def test_the_default_template_makes_readable_keys() -> None:
    """Keys show account, day, id and format."""
    assert key_of(DEFAULT, "rec-1") == "acme/2026/11/22/rec-1.wav"


def test_a_time_without_a_format_is_written_compactly() -> None:
    """{started_at} alone is basic ISO 8601."""
    assert key_of("{account}/{started_at}-{recording_id}", "1") == "acme/20261122T030405Z-1"


def test_absent_facts_have_a_place() -> None:
    """An absent field is a tilde, which no present one is."""
    assert key_of("{account}/{direction}/{recording_id}", "1") == "acme/~/1"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{recording_id}", "account"),
        ("{account}/x", "recording_id"),
        ("{account}/{recording_id}/{color}", "color"),
        ("{account}/{recording_id:>9}", "takes no format"),
        ("/{account}/{recording_id}", "empty part"),
        ("{account}//{recording_id}", "empty part"),
        ("{account}/{recording_id}/", "empty part"),
        ("{account}/../{recording_id}", "dot"),
        ("{account}/.{recording_id}", "dot"),
        (".archiver/{account}/{recording_id}", "dot"),
        ("{account}-{recording_id}", "slash"),
        ("{account}/{listing}-{recording_id}", "slash"),
    ],
)
def test_wrong_templates_say_what_is_wrong(template: str, message: str) -> None:
    """T6: a template that could lose or mix recordings is refused with its reason."""
    with pytest.raises(ValueError, match=message):
        KeyTemplate(template)


@pytest.mark.parametrize(
    "template",
    [
        "{account}/{started_at:..}/{recording_id}",
        "{account}/{started_at:.%Y}/{recording_id}",
        "{account}/{started_at: }\0/{recording_id}",
        "{account!r}/{recording_id}",
        "{account}/{recording_id}{direction}",
        "{account}/{recording_id}{started_at:%-d}",
        "{account}/{recording_id",
    ],
)
def test_templates_that_make_unsafe_keys_are_refused(template: str) -> None:
    """S3: no template renders a dot name, a control character, or two recordings to one key."""
    with pytest.raises(ValueError, match=r"\S"):
        KeyTemplate(template)
