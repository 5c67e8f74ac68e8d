"""Every fault that can be ordered, by name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from archiver.sandbox.faults.bodies import BODIES
from archiver.sandbox.faults.claims import CLAIMS
from archiver.sandbox.faults.fault import Fault
from archiver.sandbox.faults.listings import LISTINGS
from archiver.sandbox.faults.rows import ROWS
from archiver.sandbox.faults.statuses import STATUSES
from archiver.sandbox.faults.transport import TRANSPORT

_KINDS = (BODIES, TRANSPORT, STATUSES, LISTINGS, ROWS, CLAIMS)

FAULTS: Mapping[str, Fault] = MappingProxyType({fault.name: fault for kind in _KINDS for fault in kind})


def describe(fault: Fault) -> dict[str, Any]:
    """A fault as JSON values: where it strikes and may strike, and what may be set about it with the defaults."""
    return {
        "name": fault.name,
        "help": fault.help,
        "strikes": list(fault.strikes),
        "reach": list(fault.places),
        "providers": list(fault.providers),
        "parameters": {parameter.name: parameter.default for parameter in fault.all_parameters},
        "choices": {parameter.name: list(parameter.choices) for parameter in fault.all_parameters if parameter.choices},
    }
