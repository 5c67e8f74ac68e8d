"""What Kazoo writes down about a recording, with the traps that its source and documentation show.

Source: 2600hz/kazoo, schema call_recordings and cb_recordings, read 2026-11.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, Self

from archiver.sandbox.kazoo_months import gregorian
from archiver.sandbox.population import Recording
from archiver.sandbox.wire import Wire

_MEDIA_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav"}
_DIRECTIONS = ("inbound",) * 5 + ("outbound",) * 4 + ("",)
_ORIGINS = ("inbound from PSTN to account", "outbound from user to offnet", "", None)
_NAMES = ("Ada Löwe", "WIRELESS CALLER", "", None)


WIRE: Final = Wire(
    rows=("data",),
    name="id",
    durations=("duration", "duration_ms"),
    moments=("start",),
    names=("name", "description"),
    following=("next_start_key",),
    positions=("start_key",),
    again=lambda document: document.get("start_key"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How Kazoo happens to write this one recording; drawn from its id, so always the same way.

    ``saved_after`` is how long after its end the document was saved. ``secret`` is in the address of the storage that
    some documents name. Texts may be None: then the field is missing. ``is_in_list`` makes retrieve answer with a
    list of one.
    """

    direction: str
    origin: str | None
    caller_name: str | None
    dot: str
    has_milliseconds: bool
    has_interaction: bool
    name_prefix: str
    saved_after: timedelta
    secret: str | None
    is_in_list: bool

    @classmethod
    def of(cls, recording: Recording) -> Self:
        """Draw the quirks of this recording."""
        random = Random(f"kazoo/{recording.recording_id}")
        return cls(
            direction=random.choice(_DIRECTIONS),
            origin=random.choice(_ORIGINS),
            caller_name=random.choice(_NAMES),
            dot=random.choice(("", ".")),
            has_milliseconds=random.random() < 0.8,
            has_interaction=random.random() < 0.5,
            name_prefix=random.choice(("", "", "", "../../")),
            saved_after=timedelta(seconds=random.randint(1, 4)),
            secret=f"{random.getrandbits(64):016x}" if random.random() < 0.3 else None,
            is_in_list=random.random() < 0.2,
        )


def media_type(recording: Recording) -> str:
    """The content type of the attachment."""
    return _MEDIA_TYPES[recording.clip.encoding.container]


def file_name(recording: Recording) -> str:
    """What the recording is called; nobody should use it as a path."""
    prefix = Quirks.of(recording).name_prefix
    return f"{prefix}call_recording_{recording.call_id}.{recording.clip.encoding.container}"


def recording_document(recording: Recording, owner_id: str | None, latest_start: datetime | None) -> dict[str, Any]:
    """One recording as retrieve shows it; a listing adds ``_read_only``. It began no later than ``latest_start``."""
    quirks, clip = Quirks.of(recording), recording.clip
    started_at = recording.added_at - quirks.saved_after - timedelta(milliseconds=clip.duration_ms)
    started_at = min(started_at, latest_start or started_at)
    start = gregorian(started_at)
    document = {
        "call_id": recording.call_id,
        "callee_id_name": "",
        "callee_id_number": recording.to_number,
        "caller_id_name": quirks.caller_name,
        "caller_id_number": recording.from_number,
        "cdr_id": f"{recording.recording_id[:6]}-{recording.call_id}",
        "content_type": media_type(recording),
        "custom_channel_vars": {"Account-Name": "sandbox", "Fetch-ID": recording.recording_id[-8:]},
        "description": f"recording {file_name(recording)}",
        "direction": quirks.direction,
        "duration": clip.duration_ms // 1000,
        "duration_ms": clip.duration_ms if quirks.has_milliseconds else None,
        "from": f"{recording.from_number}@sandbox.example.com",
        "id": recording.recording_id,
        "interaction_id": f"{start}-{recording.recording_id[-8:]}" if quirks.has_interaction else None,
        "media_source": "recorded",
        "media_type": quirks.dot + clip.encoding.container,
        "name": file_name(recording),
        "origin": quirks.origin,
        "owner_id": owner_id,
        "request": f"{recording.to_number}@sandbox.example.com",
        "source_type": "kzc_recording",
        "start": start,
        "to": f"{recording.to_number}@sandbox.example.com",
        "url": _storage_url(quirks.secret),
    }
    return {name: value for name, value in document.items() if value is not None}


def _storage_url(secret: str | None) -> str | None:
    """Where a copy is said to lie, with everything that one needs to take it away."""
    return secret and f"https://archive:{secret}@storage.example.com/recordings?signature={secret}"
