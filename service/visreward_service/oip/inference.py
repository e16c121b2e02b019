"""One inference, free of transport: inputs and what is asked of them, checked against the model's tensors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from visreward.protocol import Code
from visreward_service.engine.faults import RequestFault
from visreward_service.oip.tensors import Array, TensorSpec

SEQUENCE = frozenset({"sequence_id", "sequence_start", "sequence_end"})
SHARED_MEMORY = frozenset({"shared_memory_region", "shared_memory_byte_size", "shared_memory_offset"})


@dataclass(frozen=True, slots=True)
class Inference:
    """What a client asks of a model."""

    inputs: Mapping[str, list[bytes]]
    outputs: tuple[str, ...]
    """Names of the outputs asked for; empty for all."""
    parameters: Mapping[str, Any]
    request_id: str
    num_bytes: int
    deadline_ms: int | None = None
    arrays: Mapping[str, Array] = field(default_factory=dict)
    """Inputs of numbers."""

    def wants(self, output: str) -> bool:
        """Whether an output goes into the answer."""
        return not self.outputs or output in self.outputs


@dataclass(slots=True)
class InputNames:
    """Collects inputs by name, each of them once and known to the model."""

    specs: Mapping[str, TensorSpec]
    seen: dict[str, list[bytes]] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)

    def check(self, name: object) -> str:
        """Return the name of a further input. Raises `RequestFault` where it has no place."""
        checked = known_name(name, self.specs, "input")
        if checked in self.seen or checked in self.arrays:
            raise RequestFault(Code.INVALID_REQUEST, f'"{checked}" is given twice', field="inputs")
        return checked

    def finish(self) -> None:
        """Raise `RequestFault` where an input that the model needs is missing."""
        for name, spec in self.specs.items():
            if not spec.optional and name not in self.seen and name not in self.arrays:
                raise RequestFault(Code.INVALID_REQUEST, f'the input "{name}" is missing', field="inputs")


def known_name(name: object, known: Iterable[str], kind: str) -> str:
    """Return the name of an input or output. Raises `RequestFault` where the model has none such."""
    names = list(known)
    if isinstance(name, str) and name in names:
        return name
    nearest = tuple(get_close_matches(str(name)[:100].upper(), names, cutoff=0.4))
    has = f"it has {', '.join(names)}" if names else "it has none"
    message = f"the model has no {kind} of that name; {has}"
    raise RequestFault(Code.INVALID_REQUEST, message, field=f"{kind}s", nearest=nearest)


def check_outputs(names: Iterable[object], specs: Mapping[str, TensorSpec]) -> tuple[str, ...]:
    """Return the outputs asked for. Raises `RequestFault` for an unknown one and for one named twice."""
    checked = tuple(known_name(name, specs, "output") for name in names)
    if len(set(checked)) != len(checked):
        raise RequestFault(Code.INVALID_REQUEST, "an output is asked for twice", field="outputs")
    return checked


def check_parameters(parameters: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise `RequestFault` for a parameter that nothing here reads: it would be passed over in silence."""
    for name in parameters:
        if name in SHARED_MEMORY:
            raise RequestFault(Code.INVALID_REQUEST, "shared memory is not served", field=name)
        if name in SEQUENCE:
            raise RequestFault(
                Code.INVALID_REQUEST, "sequences are not served: no model has a state", field=name
            )
        if name not in known:
            takes = ", ".join(known) or "none"
            message = f"unknown parameter; those taken here: {takes}"
            raise RequestFault(Code.INVALID_REQUEST, message, field=str(name)[:100])


def read_timeout(parameters: Mapping[str, Any]) -> int | None:
    """Return the parameter `timeout`, given in microseconds, in milliseconds; None for none and for 0."""
    timeout = parameters.get("timeout", 0)
    if not isinstance(timeout, int) or isinstance(timeout, bool) or timeout < 0:
        raise RequestFault(Code.INVALID_REQUEST, "must be a whole number of microseconds", field="timeout")
    return max(timeout // 1000, 1) if timeout else None
