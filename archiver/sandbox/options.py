"""What a sandbox is asked to serve, as one frozen value for each part of it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from archiver.sandbox.population import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class VbcOptions:
    """How Vonage VBC behaves where its pages leave it open, or contradict each other.

    ``page_base`` is 0 or 1: the number of the first page. ``quota_per_min`` is what one token may ask in any 60
    seconds; the real default is 10, and the account is paced by what is chosen. ``token_life`` is that of an access
    token.
    """

    page_base: int = 1
    quota_per_min: int = 60_000
    token_life: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KazooOptions:
    """How this installation of Kazoo is configured.

    ``refill_per_s`` fills a bucket of ``bucket_tokens``; the real defaults are 10 and 100, and the account is paced by
    what is chosen. A page or an answer of more than ``most_rows`` is refused with 416. ``straddlers`` recordings lie
    across each change of month, the first, third, … with the defect of branch 4.3 and the others with that of master.
    ``late_media`` recordings are listed before their audio is there; it arrives when it was asked for ``media_after``
    times.
    """

    token_life: timedelta = timedelta(hours=1)
    bucket_tokens: int = 1000
    refill_per_s: int = 1000
    most_rows: int = 1000
    straddlers: int = 2
    late_media: int = 3
    media_after: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """What to serve. The same seed and anchor always give the same recordings with the same bytes.

    ``providers`` are the names of those to serve. ``recordings`` for each of them lie in the 30 days before ``anchor``
    (aware; None means now), Kazoo's in the 75 days. ``page_cap`` is the largest page. ``audio_seconds`` bounds every
    length; None means 2 to 60 s and mostly 3 to 20 s. ``late_arrivals`` of the recordings appear only while the
    listing is being read, within its first four pages: VBC's anywhere in it, the others' at its head. ``faults`` are
    orders to misbehave, ``NAME:key=value,…``.
    """

    providers: tuple[str, ...] = ("vobiz",)
    seed: int = 1
    recordings: int = 300
    anchor: datetime | None = None
    page_cap: int = 50
    audio_seconds: tuple[float, float] | None = None
    late_arrivals: int = 5
    faults: tuple[str, ...] = ()
    vbc: VbcOptions = field(default_factory=VbcOptions)
    kazoo: KazooOptions = field(default_factory=KazooOptions)

    def plan(self) -> Plan:
        """How each provider's population is drawn. Raises: ValueError for a naive anchor."""
        anchor = self.anchor or datetime.now(UTC)
        if anchor.tzinfo is None:
            raise ValueError("anchor: expected a time with a zone")
        return Plan(
            seed=self.seed,
            count=self.recordings,
            anchor=anchor,
            audio_seconds=self.audio_seconds,
            late_arrivals=self.late_arrivals,
        )
