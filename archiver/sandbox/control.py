"""The sandbox's own port: ``/ledger`` tells what happened, ``/control`` changes what the providers have."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from json import JSONDecodeError
from typing import Any, Self, TypeAlias

from aiohttp import web

from archiver.sandbox.faults.orders import Order, parse_order
from archiver.sandbox.levers import Lever, is_list_of_texts
from archiver.sandbox.provider import Provider

Rule: TypeAlias = tuple[Callable[[object], bool], str]

_RULES: Mapping[str, Rule] = {
    "add": (lambda value: type(value) is int and value >= 0, "a whole number of recordings"),
    "delete": (is_list_of_texts, "a list of ids"),
    "reset_counts": (lambda value: isinstance(value, bool), "true or false"),
    "empty": (lambda value: isinstance(value, bool), "true or false"),
    "clear_faults": (lambda value: isinstance(value, bool), "true or false"),
    "faults": (is_list_of_texts, "a list of NAME:key=value,…"),
}


@dataclass(frozen=True, slots=True)
class Command:
    """What ``/control`` was asked to do. ``add`` is a number for each provider; ``delete`` are recording ids.

    ``empty`` hides everything, or brings it back. ``clear_faults`` ends the faults in force and brings back what they
    hid, before ``faults`` begin. ``levers`` are the values for the providers' own commands, by name.
    """

    add: int = 0
    delete: tuple[str, ...] = ()
    reset_counts: bool = False
    empty: bool | None = None
    clear_faults: bool = False
    faults: tuple[Order, ...] = ()
    levers: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, document: object, levers: Mapping[str, Lever]) -> Self:
        """Read the posted JSON. Raises: ValueError with a message for the sender."""
        rules = {**_RULES, **{name: (lever.accepts, lever.expected) for name, lever in levers.items()}}
        if not isinstance(document, dict) or not document or not document.keys() <= rules.keys():
            raise ValueError(f"expected an object with some of these keys: {', '.join(rules)}")
        for key, value in document.items():
            is_right, expected = rules[key]
            if not is_right(value):
                raise ValueError(f"{key}: expected {expected}")
        own = {key: value for key, value in document.items() if key in _RULES}
        pulled = {key: value for key, value in document.items() if key in levers}
        orders = tuple(parse_order(text) for text in document.get("faults", ()))
        lists = {"delete": tuple(document.get("delete", ())), "faults": orders}
        return cls(**{**own, **lists, "levers": pulled})


class Ledgers:
    """The ledgers of all providers as one document."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._providers = providers

    async def prepare(self) -> None:
        """Work out the digests that ``as_json`` needs while other requests are answered."""
        for provider in self._providers:
            await provider.ledger.prepare()

    def as_json(self) -> dict[str, Any]:
        """``{"providers": {NAME: …}}``; the first call without ``prepare`` takes about a millisecond a recording."""
        return {"providers": {provider.NAME: provider.ledger.as_json() for provider in self._providers}}


class Control:
    """Applies commands to the providers."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._providers = providers
        self._ledgers = Ledgers(providers)

    def application(self) -> web.Application:
        """The two endpoints."""
        application = web.Application()
        application.add_routes([web.get("/ledger", self._show), web.post("/control", self._obey)])
        return application

    def apply(self, command: Command, now: datetime) -> dict[str, Any]:
        """Delete, add, pull the levers, change the faults, forget the counts. Returns what was done, with the ids."""
        deleted = [recording_id for recording_id in command.delete if self._delete(recording_id, now)]
        added = [
            recording_id for provider in self._providers for recording_id in provider.population.add(command.add, now)
        ]
        for name, value in command.levers.items():
            self._pull(name, value)
        for provider in self._providers:
            if command.clear_faults:
                provider.house.faults.clear()
                provider.population.empty(is_empty=False)
            provider.house.faults.add(command.faults)
            if command.empty is not None:
                provider.population.empty(is_empty=command.empty)
            if command.reset_counts:
                provider.ledger.reset_counts()
        unknown = sorted(set(command.delete) - set(deleted))
        return {"added": added, "deleted": deleted, "unknown": unknown, "counts_reset": command.reset_counts}

    def _delete(self, recording_id: str, now: datetime) -> bool:
        for provider in self._providers:
            if provider.population.delete(recording_id):
                provider.ledger.note_deleted(recording_id, now)
                return True
        return False

    def _pull(self, name: str, value: Any) -> None:
        """Each provider that has this lever."""
        for provider in self._providers:
            if name in provider.levers:
                provider.levers[name].pull(value)

    async def _show(self, _request: web.Request) -> web.Response:
        await self._ledgers.prepare()
        return web.json_response(self._ledgers.as_json())

    async def _obey(self, request: web.Request) -> web.Response:
        try:
            levers = {name: lever for provider in self._providers for name, lever in provider.levers.items()}
            command = Command.parse(await request.json(), levers)
        except (JSONDecodeError, UnicodeDecodeError) as error:
            return web.json_response({"error": f"not JSON: {error}"}, status=400)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(self.apply(command, datetime.now(UTC)))
