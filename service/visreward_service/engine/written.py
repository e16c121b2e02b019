"""Recipes written inside requests: checked once, and known again by their bytes while they are in use.

Knows the wire's model of a recipe and the limit on its size; what it means is for `recipes` to say.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgpack
from cachetools import LRUCache
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from visreward.protocol import Code, RecipeSpec
from visreward_service.engine.faults import RequestFault

MAX_KEPT = 64
TOO_DEEP = "the recipe is nested too deeply"


@dataclass(frozen=True, slots=True)
class Written:
    """A recipe that a request brought."""

    spec: RecipeSpec
    key: bytes
    """Equal for equal recipes written alike."""


class WrittenRecipes:
    """Reads recipes of requests. May be used from several threads."""

    def __init__(self, *, max_chars: int) -> None:
        self._max_chars = max_chars
        self._known: LRUCache[bytes, Written] = LRUCache(MAX_KEPT)
        self._lock = threading.Lock()

    def read(self, fields: Mapping[str, Any]) -> Written:
        """Return the recipe of a request's fields. Raises `RequestFault` where it is wrong."""
        key = _pack(fields)
        if key is not None:
            with self._lock:
                known = self._known.get(key)
            if known is not None:
                return known
        written = self._check(fields, key)
        with self._lock:
            self._known[written.key] = written
        return written

    def _check(self, fields: Mapping[str, Any], key: bytes | None) -> Written:
        if sum(_size(value) for value in fields.values()) > self._max_chars:
            message = f"the recipe is over {self._max_chars:,} characters"
            raise RequestFault(Code.INVALID_RECIPE, message, field="terms")
        try:
            spec = RecipeSpec.model_validate(fields)
        except ValidationError as error:
            detail = error.errors(include_url=False, include_context=False, include_input=False)[0]
            raise RequestFault(
                Code.INVALID_RECIPE, to_sentence(detail), field=to_path(detail["loc"])
            ) from None
        if key is None:
            try:
                key = spec.model_dump_json().encode()
            except ValueError:
                raise RequestFault(Code.INVALID_RECIPE, TOO_DEEP, field="terms") from None
        return Written(spec, key)


def _pack(fields: Mapping[str, Any]) -> bytes | None:
    """Return the bytes that tell a recipe from every other; None where msgpack has none for a value."""
    try:
        packed: bytes = msgpack.packb(fields)
    except (ValueError, TypeError, OverflowError):
        return None
    return packed


def _size(value: object, depth: int = 0) -> int:
    """Characters of a JSON value, counted without building its text; refuses deep nesting."""
    if depth > 16:
        raise RequestFault(Code.INVALID_RECIPE, TOO_DEEP, field="terms")
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_size(key, depth + 1) + _size(entry, depth + 1) for key, entry in value.items())
    if isinstance(value, list):
        return sum(_size(entry, depth + 1) for entry in value)
    return 8


def to_sentence(detail: ErrorDetails) -> str:
    """Return the validator's own words, which never quote the input."""
    if detail["type"] == "string_unicode":
        return "contains a lone surrogate"
    return detail["msg"].removeprefix("Value error, ")


def to_path(location: Iterable[int | str], start: str = "") -> str:
    """Return a place in a document, such as `items[3].reference.answer`."""
    path = start
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{str(part)[:100]}"
    return path.removeprefix(".")
