"""What Vobiz writes down about a recording, with the traps that its pages and samples show.

Source: vobiz docs, recordings API: "List all recordings", "Retrieve a recording", the recording object, read 2026-11.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any, Final, Self

from archiver.sandbox.population import Recording
from archiver.sandbox.wire import Wire

_INDIA = timezone(timedelta(hours=5, minutes=30))
_TYPES = ("call",) * 15 + ("conference",) * 2 + ("trunk",) * 3
_BILLED_SECONDS = 60

WIRE: Final = Wire(
    rows=("objects",),
    name="recording_id",
    durations=("recording_duration_ms",),
    moments=("add_time", "recording_start_ms"),
    total=("meta", "total_count"),
    following=("meta", "next"),
    positions=("offset", "cursor"),
    again=lambda _document: "/v1/Account/Recording/?cursor=bG9vcA",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How Vobiz happens to write this one recording; drawn from its id, so always the same way.

    ``extension`` and ``claimed_format`` are what the provider says; a WAV body hides behind ``mp3`` in some rows.
    ``zone`` and ``fraction_digits`` shape ``add_time``. ``is_enveloped`` makes retrieve answer with a list of one.
    """

    recording_type: str
    conference_name: str | None
    extension: str
    claimed_format: str
    zone: timezone
    fraction_digits: int
    has_times: bool
    from_prefix: str
    to_prefix: str
    is_enveloped: bool
    is_redirected: bool

    @classmethod
    def of(cls, recording: Recording) -> Self:
        """Draw the quirks of this recording."""
        random = Random(f"vobiz/{recording.recording_id}")
        recording_type = random.choice(_TYPES)
        container = recording.clip.encoding.container
        extension = "mp3" if random.random() < 0.4 else container
        return cls(
            recording_type=recording_type,
            conference_name=_draw_conference_name(random, recording_type),
            extension=extension,
            claimed_format=random.choice((container, extension)),
            zone=_INDIA if random.random() < 0.4 else UTC,
            fraction_digits=random.choice((5, 6)),
            has_times=recording_type != "trunk" or random.random() < 0.5,
            from_prefix=random.choice(("", "+")),
            to_prefix=random.choice(("", "+")),
            is_enveloped=random.random() < 0.5,
            is_redirected=random.random() < 1 / 3,
        )

    @property
    def content_type(self) -> str:
        """The media type that goes with the url, true or not."""
        return "audio/mpeg" if self.extension == "mp3" else "audio/wav"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an account's recordings are said to lie: its id and the origin of its media."""

    auth_id: str
    media_origin: str

    def media_url(self, recording_id: str, extension: str) -> str:
        """The absolute address of the audio."""
        return f"{self.media_origin}/api/v1/Account/{self.auth_id}/Recording/{recording_id}.{extension}"

    def resource_uri(self, recording_id: str = "") -> str:
        """The path of a recording or of the whole listing, as Vobiz writes it: without ``/api``."""
        return f"/v1/Account/{self.auth_id}/Recording/" + (f"{recording_id}/" if recording_id else "")


def recording_document(recording: Recording, place: Place, now: datetime) -> dict[str, Any]:
    """One recording as an element of ``objects``; ``recording_storage_duration`` grows with the days until ``now``."""
    quirks, clip = Quirks.of(recording), recording.clip
    ended_ms = int(recording.added_at.timestamp() * 1000) - 1500
    return {
        "add_time": _add_time(recording.added_at, quirks),
        "call_uuid": recording.call_id,
        "conference_name": quirks.conference_name,
        "from_number": quirks.from_prefix + recording.from_number,
        "monthly_recording_storage_amount": 0,
        "recording_duration_ms": _milliseconds(clip.duration_ms),
        "recording_end_ms": _milliseconds(ended_ms) if quirks.has_times else None,
        "recording_format": quirks.claimed_format,
        "recording_id": recording.recording_id,
        "recording_start_ms": _milliseconds(ended_ms - clip.duration_ms) if quirks.has_times else None,
        "recording_storage_duration": max(0, (now - recording.added_at).days),
        "recording_storage_rate": 0.005,
        "recording_type": quirks.recording_type,
        "recording_url": place.media_url(recording.recording_id, quirks.extension),
        "resource_uri": place.resource_uri(recording.recording_id),
        "rounded_recording_duration": math.ceil(clip.duration_ms / 1000 / _BILLED_SECONDS) * _BILLED_SECONDS,
        "to_number": quirks.to_prefix + recording.to_number,
    }


def _milliseconds(value: int) -> str:
    return f"{value}.00000"


def _add_time(added_at: datetime, quirks: Quirks) -> str:
    """A space for the ``T``, one of two offsets, five or six digits of a second."""
    local = added_at.astimezone(quirks.zone)
    fraction = f"{local.microsecond:06d}"[: quirks.fraction_digits]
    offset = "+00:00" if quirks.zone is UTC else "+05:30"
    return f"{local:%Y-%m-%d %H:%M:%S}.{fraction}{offset}"


def _draw_conference_name(random: Random, recording_type: str) -> str | None:
    if recording_type == "conference":
        return f"standup-{random.randrange(100):02d}"
    return random.choice(("", None))
