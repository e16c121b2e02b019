"""Builds the wire's models for an answer without checking them: every number in them is one of ours.

A check would read an answer of thousands of items once more, and pydantic's own `model_construct` takes
longer than the check.
"""

from typing import Any, TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)


def build(kind: type[M], **fields: Any) -> M:
    """Return a model of these fields, which must be all that it has, in its order."""
    made = kind.__new__(kind)
    # What pydantic documents for subclasses that make instances themselves; the models are frozen.
    object.__setattr__(made, "__dict__", fields)
    object.__setattr__(made, "__pydantic_fields_set__", set(fields))
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made
