"""Orders: faults as they are written, ``NAME:key=value,key=value``, read into what is to be done."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from archiver.sandbox.asked import Asked
from archiver.sandbox.faults.fault import Fault, Value
from archiver.sandbox.faults.table import FAULTS


@dataclass(frozen=True, slots=True)
class Order:
    """A fault with everything that can be set about it.

    Of ``share`` of its subjects each is struck ``times`` times (0: for ever) and then left alone. A subject is a
    recording, a page, or one request where neither is meant. Of the requests for a recording, a listing, or an
    endpoint that has neither, those ``after`` so many and among the ``first`` so many (0: no bound) can be struck.
    """

    text: str
    fault: Fault
    values: Mapping[str, Value]

    @property
    def share(self) -> float:
        """How many of the subjects, from 0 to 1."""
        return float(self.values["share"])

    @property
    def times(self) -> int:
        """How often each of them."""
        return int(self.values["times"])

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where it strikes."""
        return tuple(str(self.values["on"]).split("+"))

    def concerns(self, provider: str, asked: Asked) -> bool:
        """Whether a request of this kind can be struck at all."""
        is_meant = provider in self.fault.providers and self.values["provider"] in ("any", provider)
        return is_meant and asked.endpoint in self.endpoints

    def is_in_turn(self, turn: int) -> bool:
        """Whether the request of this number, counted from one, can be struck."""
        first, after = int(self.values["first"]), int(self.values["after"])
        return turn > after and (not first or turn <= first)


def parse_order(text: str) -> Order:
    """Read ``NAME`` or ``NAME:key=value,…``. Raises: ValueError that names the nearest fault or parameter."""
    name, _, settings = text.strip().partition(":")
    if name not in FAULTS:
        raise ValueError(f"no fault is called {name!r}{_nearest(name, FAULTS)}")
    fault = FAULTS[name]
    parameters = {parameter.name: parameter for parameter in fault.all_parameters}
    values: dict[str, Value] = {known: parameter.default for known, parameter in parameters.items()}
    for setting in filter(None, settings.split(",")):
        key, equals, written = (part.strip() for part in setting.partition("="))
        if key not in parameters:
            raise ValueError(f"fault {name}: no parameter is called {key!r}{_nearest(key, parameters)}")
        if not equals:
            raise ValueError(f"fault {name}: {key}: expected {key}=value")
        try:
            values[key] = parameters[key].read(written)
        except ValueError as error:
            raise ValueError(f"fault {name}: {error}") from None
    order = Order(text.strip(), fault, values)
    _check(order)
    return order


def _check(order: Order) -> None:
    places = order.fault.places
    if unknown := sorted(set(order.endpoints) - set(places)):
        raise ValueError(f"fault {order.fault.name}: on: expected some of {'+'.join(places)}, not {unknown[0]!r}")
    if not 0 <= order.share <= 1:
        raise ValueError(f"fault {order.fault.name}: share: expected a number from 0 to 1")
    for name in ("times", "first", "after"):
        if int(order.values[name]) < 0:
            raise ValueError(f"fault {order.fault.name}: {name}: expected 0 or more")


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(names)}"
