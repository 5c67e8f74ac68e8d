"""Who is struck: decided for each request by a hash of the seed and of what is asked for.

The order in which requests arrive decides nothing that concurrency could change: counts are kept for each recording
and each listing. So the same requests meet the same faults in every run with the same seed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TypeVar

from archiver.sandbox.asked import Asked
from archiver.sandbox.faults.fault import Act, Strike
from archiver.sandbox.faults.orders import Order, parse_order
from archiver.sandbox.ledger import Ledger
from archiver.sandbox.options import SandboxOptions

A = TypeVar("A", bound=Act)


@dataclass(frozen=True, slots=True)
class Blow:
    """A strike that is due: by which of the orders, and at whom."""

    order: Order
    number: int
    subject: str
    recording_id: str | None
    strike: Strike


@dataclass(slots=True)
class _Standing:
    """An order in force, how often everybody asked since it was given, and how often everybody was struck."""

    order: Order
    turns: Counter[str] = field(default_factory=Counter)
    landed: Counter[str] = field(default_factory=Counter)


class Faults:
    """The orders in force at one provider."""

    def __init__(self, provider: str, options: SandboxOptions, ledger: Ledger) -> None:
        """Raises: ValueError for an order of the options that cannot be read."""
        self._provider = provider
        self._seed = options.seed
        self._ledger = ledger
        self._standings: list[_Standing] = []
        self._pages: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self.add(parse_order(text) for text in options.faults)

    def __bool__(self) -> bool:
        return bool(self._standings)

    def add(self, orders: Iterable[Order]) -> None:
        """From now on these are in force too."""
        self._standings += [_Standing(order) for order in orders]

    def clear(self) -> None:
        """Behave from now on."""
        self._standings.clear()
        self._pages.clear()

    def due(self, asked: Asked, kind: type[A]) -> list[tuple[A, Blow]]:
        """What strikes this request with acts of this kind, in the order of the orders. Call it once a request."""
        due: list[tuple[A, Blow]] = []
        for number, standing in enumerate(self._standings):
            act = standing.order.fault.act
            if isinstance(act, kind) and standing.order.concerns(self._provider, asked):
                blow = self._judge(number, standing, asked)
                due += [] if blow is None else [(act, blow)]
        return due

    def land(self, blow: Blow) -> None:
        """The strike took place."""
        self._standings[blow.number].landed[blow.subject] += 1
        self._ledger.note_fault(blow.order.fault.name, blow.recording_id)

    def _judge(self, number: int, standing: _Standing, asked: Asked) -> Blow | None:
        order, scope = standing.order, asked.recording_id or asked.listing or asked.endpoint
        standing.turns[scope] += 1
        turn = standing.turns[scope]
        subject = self._subject(asked)
        # Where every request is a subject of its own, chance is drawn for each and the strikes are counted together
        drawn = subject if asked.recording_id or asked.listing else f"{subject}/{turn}"
        seed = f"{self._seed}/{self._provider}/{number}/{order.fault.name}/{drawn}"
        is_spared = bool(order.times) and standing.landed[subject] >= order.times
        if is_spared or not order.is_in_turn(turn) or _draw(seed) >= order.share:
            return None
        return Blow(order, number, subject, asked.recording_id, Strike(order.values, seed, turn))

    def _subject(self, asked: Asked) -> str:
        """The recording, or the page by its place among the pages of its listing: queries may tell the time."""
        if asked.recording_id is not None or asked.listing is None:
            return asked.recording_id or asked.endpoint
        pages = self._pages[asked.listing]
        return f"{asked.listing}/page {pages.setdefault(asked.query, len(pages))}"


def _draw(text: str) -> float:
    """A number from 0 to below 1 that only this text gives."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) / 2**64
