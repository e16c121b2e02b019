"""Builds the wire's models for an answer without checking them: every number in them is one of ours.

A check would read an answer of thousands of items once more, and pydantic's own `model_construct` takes
longer than the check.
"""

from typing import Any, TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)

_new, _set = object.__new__, object.__setattr__
_fields: dict[type[BaseModel], set[str]] = {}
"""The fields of each model. Instances share the set: the models are frozen, and a copy copies it."""


def build(kind: type[M], **fields: Any) -> M:
    """Return a model of these fields, which must be all that it has, in its order."""
    made = _new(kind)
    # What pydantic documents for subclasses that make instances themselves; the models are frozen.
    _set(made, "__dict__", fields)
    _set(made, "__pydantic_fields_set__", _fields.get(kind) or _fields.setdefault(kind, set(fields)))
    _set(made, "__pydantic_extra__", None)
    _set(made, "__pydantic_private__", None)
    return made
