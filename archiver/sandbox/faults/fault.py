"""What a fault is: its name, what it strikes, what may be set about it, and what it does there."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, TypeAlias

from aiohttp import web

from archiver.sandbox.asked import Asked
from archiver.sandbox.delivery import Manner, Outgoing
from archiver.sandbox.ledger import Ledger
from archiver.sandbox.levers import Lever
from archiver.sandbox.population import Stock
from archiver.sandbox.wire import Wire

Value: TypeAlias = str | int | float | bool

PROVIDERS: Final = ("vobiz", "vonage_vbc", "kazoo")
DOCUMENTS: Final = ("list", "retrieve", "login", "delete")
"""The endpoints that answer with documents."""
_TRUTHS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something that may be set. What may be written follows from the default's type, and from ``choices`` if any."""

    name: str
    default: Value
    choices: tuple[str, ...] = ()

    @property
    def written(self) -> str:
        """The default as an order writes it."""
        return str(self.default).lower() if isinstance(self.default, bool) else str(self.default)

    @property
    def offered(self) -> str:
        """The default, and behind it what else may be chosen."""
        return "|".join([self.written, *(choice for choice in self.choices if choice != self.default)])

    def read(self, text: str) -> Value:
        """The value that was written. Raises: ValueError that says what is expected."""
        if self.choices and text not in self.choices:
            raise ValueError(f"{self.name}: expected one of {', '.join(self.choices)}, not {text!r}")
        if isinstance(self.default, bool):
            if text not in _TRUTHS:
                raise ValueError(f"{self.name}: expected true or false, not {text!r}")
            return _TRUTHS[text]
        if isinstance(self.default, str):
            return text
        try:
            return type(self.default)(text)
        except ValueError:
            kind = "a whole number" if isinstance(self.default, int) else "a number"
            raise ValueError(f"{self.name}: expected {kind}, not {text!r}") from None


@dataclass(frozen=True, slots=True)
class Strike:
    """One blow: what was set, and chance that is the same whenever this subject is struck by this order.

    ``turn`` counts the requests for the same recording, listing or endpoint since the order was given, from one.
    """

    values: Mapping[str, Value]
    seed: str
    turn: int

    def number(self, name: str) -> int:
        """A whole number that was set."""
        return int(self.values[name])

    def factor(self, name: str) -> float:
        """A number that was set."""
        return float(self.values[name])

    def text(self, name: str) -> str:
        """A word that was set."""
        return str(self.values[name])

    def random(self) -> Random:
        """Chance from its beginning."""
        return Random(self.seed)


@dataclass(frozen=True, slots=True)
class Body:
    """Other content for an answer; None where the fault does not apply."""

    apply: Callable[[Outgoing, Strike], Outgoing | None]


@dataclass(frozen=True, slots=True)
class Framing:
    """Another way of getting an answer out; None where the fault does not apply."""

    apply: Callable[[Outgoing, Strike], Manner | None]


@dataclass(frozen=True, slots=True)
class Row:
    """The rows that stand in place of one, whose document may be changed in place; None where it does not apply.

    Outside listings there must be one.
    """

    apply: Callable[[dict[str, Any], Wire, Strike], list[Any] | None]


@dataclass(frozen=True, slots=True)
class Page:
    """Another page of a listing than there should be; None where it does not apply. It may be changed in place."""

    apply: Callable[[Any, Wire, Strike], Any | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a request meets its provider. ``elsewhere`` is an address of the same audio at a stranger's."""

    asked: Asked
    request: web.Request
    ledger: Ledger
    wire: Wire
    stock: Stock
    levers: Mapping[str, Lever]
    elsewhere: str


@dataclass(frozen=True, slots=True)
class World:
    """Something that happens at the provider before it looks at a request; False where it does not apply."""

    apply: Callable[[Scene, Strike], bool]


@dataclass(frozen=True, slots=True)
class Question:
    """Another request than was sent; None where it does not apply."""

    apply: Callable[[Scene, Strike], web.Request | None]


@dataclass(frozen=True, slots=True)
class Instead:
    """Another answer than the provider's, or None when that follows after all."""

    apply: Callable[[Scene, Strike], Awaitable[web.StreamResponse | None]]


Act: TypeAlias = Body | Framing | Row | Page | World | Question | Instead


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A way to misbehave. ``help`` is one sentence that names the promise it threatens.

    ``strikes`` are the endpoints unless an order says ``on=``, which may name any of ``reach`` (None: of ``strikes``).
    ``share`` and ``times`` are the defaults of what every order may set.
    """

    name: str
    help: str
    act: Act
    strikes: tuple[str, ...] = ("media",)
    reach: tuple[str, ...] | None = None
    providers: tuple[str, ...] = PROVIDERS
    parameters: tuple[Parameter, ...] = field(default=())
    share: float = 0.1
    times: int = 1

    @property
    def places(self) -> tuple[str, ...]:
        """The endpoints that ``on=`` may name."""
        return self.strikes if self.reach is None else self.reach

    @property
    def own_parameters(self) -> tuple[Parameter, ...]:
        """Those whose meaning or default is its own."""
        return (*self.parameters, Parameter("share", self.share), Parameter("times", self.times))

    @property
    def all_parameters(self) -> tuple[Parameter, ...]:
        """Its own parameters, then those of every fault."""
        return (
            *self.own_parameters,
            Parameter("first", 0),
            Parameter("after", 0),
            Parameter("provider", "any", ("any", *self.providers)),
            Parameter("on", "+".join(self.strikes)),
        )
