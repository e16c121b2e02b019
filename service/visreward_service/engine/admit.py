"""Turns a decoded body into a checked `Call`: what is wrong with one item or image stays with it.

Knows the wire's models and the limits; knows nothing of recipes, models or how bytes arrived.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import pybase64
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from visreward.protocol import Code, Item, Limits, Reference, ScoreRequest
from visreward.protocol.item import NO_REFERENCE
from visreward_service.engine.faults import RequestFault
from visreward_service.engine.written import Written, WrittenRecipes, to_path, to_sentence
from visreward_service.models.images import ImageFault, read_header
from visreward_service.scorers.base import Fault

REQUEST_FIELDS = tuple(ScoreRequest.model_fields)
KNOWN_FIELDS = frozenset(REQUEST_FIELDS)
ITEMS = TypeAdapter(list[Item]).validator
SOUND_ITEMS = 64
"""More items than this are checked on a thread."""
NAME_CHARS = 256
"""Most characters of an id, a group or a source."""
PLAIN_REFERENCE = frozenset({"answer"})
RECIPE_FIELDS = ("extract", "terms", "reward", "group")
FIELDS_AT = {(): tuple(Item.model_fields), ("reference",): tuple(Reference.model_fields)}
TEXT_ERRORS = frozenset({"text_invalid", "string_unicode"})


Held = Callable[[Iterable[str]], Mapping[str, bytes]]
"""Returns those of the named images that are held: they were checked when they came."""


@dataclass(slots=True)
class Entry:
    """One place in the request's list: an item, or the fault that keeps it from being one.

    Not frozen, though nothing changes it: what is frozen takes three times as long to make.
    """

    id: str | None
    item: Item | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A checked request."""

    recipe: str | Written
    entries: tuple[Entry, ...]
    images: Mapping[str, bytes | Fault]
    """Encoded images by digest; a fault stands for an image that its items cannot use."""
    deadline_seconds: float | None
    details: bool


def admit(document: object, limits: Limits, written: WrittenRecipes, held: Held) -> Call:
    """Check a decoded body. Raises `RequestFault` where the request as a whole cannot be answered."""
    if not isinstance(document, dict):
        raise RequestFault(Code.INVALID_REQUEST, "the body must be an object", field="")
    for name in document:
        if name not in REQUEST_FIELDS:
            raise RequestFault(
                Code.INVALID_REQUEST,
                "unknown field",
                field=str(name)[:100],
                nearest=tuple(get_close_matches(str(name)[:100], REQUEST_FIELDS)),
            )
    return Call(
        recipe=_recipe(document, written),
        entries=_entries(document, limits),
        images=_images(document, limits, held),
        deadline_seconds=_deadline(document, limits),
        details=_flag(document, "details", default=True),
    )


def admit_sound(document: object, limits: Limits, written: WrittenRecipes) -> Call | None:
    """Return what `admit` does, of a request without images whose items are few and sound; None of others.

    It takes no long time, whatever a request holds: to say what is wrong with its items can.
    """
    if not isinstance(document, dict) or not document.keys() <= KNOWN_FIELDS:
        return None
    if document.get("images", []) != []:
        return None
    items = document.get("items")
    if not isinstance(items, list) or not 0 < len(items) <= min(SOUND_ITEMS, limits.max_items):
        return None
    entries = _sound_entries(items, limits)
    if entries is None or any(entry.fault for entry in entries):
        return None
    return Call(
        recipe=_recipe(document, written),
        entries=entries,
        images={},
        deadline_seconds=_deadline(document, limits),
        details=_flag(document, "details", default=True),
    )


def _recipe(document: Mapping[str, Any], written: WrittenRecipes) -> str | Written:
    inline = {name: document[name] for name in RECIPE_FIELDS if document.get(name) is not None}
    name = document.get("recipe")
    if name is not None:
        if inline:
            raise RequestFault(
                Code.INVALID_REQUEST, "give either recipe, or terms and reward", field=next(iter(inline))
            )
        if not isinstance(name, str) or not name:
            raise RequestFault(Code.INVALID_REQUEST, "must be a recipe's name", field="recipe")
        return name
    for needed in ("terms", "reward"):
        if needed not in inline:
            raise RequestFault(
                Code.INVALID_REQUEST,
                "give either recipe, or terms and reward",
                field="recipe" if not inline else needed,
            )
    return written.read(inline)


def _entries(document: Mapping[str, Any], limits: Limits) -> tuple[Entry, ...]:
    items = document.get("items")
    if not isinstance(items, list):
        raise RequestFault(Code.INVALID_REQUEST, "must be a list of items", field="items")
    if not items:
        raise RequestFault(Code.INVALID_REQUEST, "must hold at least one item", field="items")
    if len(items) > limits.max_items:
        message = f"holds {len(items):,} items; the limit is {limits.max_items:,}"
        raise RequestFault(Code.REQUEST_TOO_LARGE, message, field="items")
    sound = _sound_entries(items, limits)
    if sound is not None:
        return sound
    seen: set[str] = set()
    return tuple(_entry(raw, f"items[{index}]", seen, limits) for index, raw in enumerate(items))


def _sound_entries(items: list[Any], limits: Limits) -> tuple[Entry, ...] | None:
    """Return the entries of items that all are items, with ids of their own; None where any is not."""
    try:
        found = ITEMS.validate_python(items)
    except ValidationError:
        return None
    if len({item.id for item in found}) < len(found):
        return None
    return tuple(
        Entry(item.id, item, _limit_fault(item, f"items[{index}]", limits))
        if _may_exceed(item, limits)
        else Entry(item.id, item)
        for index, item in enumerate(found)
    )


def _may_exceed(item: Item, limits: Limits) -> bool:
    """Whether an item has to be looked at closely for what is over a limit."""
    most, reference = limits.max_text_chars, item.reference
    if reference is not NO_REFERENCE and (
        not reference.model_fields_set <= PLAIN_REFERENCE or len(reference.answer or "") > most
    ):
        return True
    return (
        len(item.completion) > most
        or (item.prompt is not None and len(item.prompt) > most)
        or len(item.images) > limits.max_images_per_item
        or most < NAME_CHARS
    )


def _entry(raw: object, path: str, seen: set[str], limits: Limits) -> Entry:
    try:
        item = Item.model_validate(raw)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        return Entry(id=_readable_id(raw), fault=_item_fault(details[0], path))
    if item.id in seen:
        fault = Fault(Code.DUPLICATE_ID, "an earlier item of the request has this id", field=f"{path}.id")
        return Entry(id=item.id, fault=fault)
    seen.add(item.id)
    return Entry(id=item.id, item=item, fault=_limit_fault(item, path, limits))


def _readable_id(raw: object) -> str | None:
    identity = raw.get("id") if isinstance(raw, dict) else None
    if not isinstance(identity, str) or not 0 < len(identity) <= 256:
        return None
    return identity if identity.isprintable() else None


def _item_fault(detail: ErrorDetails, path: str) -> Fault:
    location = detail["loc"]
    code = Code.TEXT_INVALID if detail["type"] in TEXT_ERRORS else Code.INVALID_ITEM
    if detail["type"] == "missing":
        code = Code.MISSING_FIELD
    message = to_sentence(detail)
    if detail["type"] == "extra_forbidden":
        known = FIELDS_AT.get(tuple(str(part) for part in location[:-1]), ())
        near = get_close_matches(str(location[-1]), known)
        message = f"unknown field; did you mean {' or '.join(near)}?" if near else "unknown field"
    return Fault(code, message, field=to_path(location, path))


def _limit_fault(item: Item, path: str, limits: Limits) -> Fault | None:
    if len(item.images) > limits.max_images_per_item:
        message = f"names {len(item.images)} images; the limit is {limits.max_images_per_item}"
        return Fault(Code.INVALID_ITEM, message, field=f"{path}.images")
    return _text_fault(item, path, limits)


def _text_fault(value: object, path: str, limits: Limits) -> Fault | None:
    """Find the first text or list in an item that is over its limit."""
    if isinstance(value, str):
        if len(value) <= limits.max_text_chars:
            return None
        message = f"has {len(value):,} characters; the limit is {limits.max_text_chars:,}"
        return Fault(Code.TEXT_TOO_LONG, message, field=path)
    if isinstance(value, BaseModel):
        parts = ((f"{path}.{name}", getattr(value, name)) for name in value.model_fields_set)
    elif isinstance(value, list | dict):
        if len(value) > limits.max_reference_entries:
            message = f"has {len(value):,} entries; the limit is {limits.max_reference_entries:,}"
            return Fault(Code.INVALID_ITEM, message, field=path)
        named = value.items() if isinstance(value, dict) else enumerate(value)
        parts = ((f"{path}[{name}]", entry) for name, entry in named)
    else:
        return None
    return next((fault for at, part in parts if (fault := _text_fault(part, at, limits))), None)


def _images(document: Mapping[str, Any], limits: Limits, held: Held) -> dict[str, bytes | Fault]:
    images = document.get("images", [])
    if not isinstance(images, list):
        raise RequestFault(Code.INVALID_REQUEST, "must be a list of images", field="images")
    if len(images) > limits.max_images:
        message = f"holds {len(images):,} images; the limit is {limits.max_images:,}"
        raise RequestFault(Code.REQUEST_TOO_LARGE, message, field="images")
    checked: dict[str, bytes | Fault] = {}
    for index, image in enumerate(images):
        digest, data = _image_parts(image, f"images[{index}]")
        if digest not in checked or isinstance(checked[digest], Fault):
            known = held((digest,)).get(digest)
            checked[digest] = check_image(data, digest, f"images[{index}]", limits, known)
    return checked


def _image_parts(image: object, path: str) -> tuple[str, bytes | str]:
    if not isinstance(image, dict) or set(image) != {"digest", "data"}:
        raise RequestFault(Code.INVALID_REQUEST, "must hold digest and data, and nothing else", field=path)
    digest, data = image["digest"], image["data"]
    if not isinstance(digest, str) or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        message = "must be a SHA-256 in 64 lower-case hex digits"
        raise RequestFault(Code.INVALID_REQUEST, message, field=f"{path}.digest")
    if not isinstance(data, bytes | str):
        message = "must be base64 in JSON, bytes in msgpack"
        raise RequestFault(Code.INVALID_REQUEST, message, field=f"{path}.data")
    return digest, data


def check_image(
    data: bytes | str, digest: str, path: str, limits: Limits, known: bytes | None = None
) -> bytes | Fault:
    """Return the encoded image, or the fault of every item that names it. Decodes no pixel.

    `known` is an image of that digest which was checked before: the same bytes need no second check.
    """
    if isinstance(data, str):
        if len(data) > limits.max_image_bytes * 4 // 3 + 4:
            return _image_over(limits, path)
        try:
            data = pybase64.b64decode(data, validate=True)
        except ValueError:
            return Fault(Code.IMAGE_INVALID, "is not base64", field=f"{path}.data")
    if len(data) > limits.max_image_bytes:
        return _image_over(limits, path)
    if data == known:
        return known
    if hashlib.sha256(data).hexdigest() != digest:
        return Fault(Code.DIGEST_MISMATCH, "the data has another SHA-256", field=f"{path}.digest")
    try:
        read_header(
            data,
            formats=limits.image_formats,
            max_bytes=limits.max_image_bytes,
            max_pixels=limits.max_image_pixels,
        )
    except ImageFault as fault:
        return Fault(fault.code, fault.message, field=f"{path}.data")
    return data


def _image_over(limits: Limits, path: str) -> Fault:
    message = f"is over {limits.max_image_bytes:,} bytes"
    return Fault(Code.IMAGE_TOO_LARGE, message, field=f"{path}.data")


def _deadline(document: Mapping[str, Any], limits: Limits) -> float | None:
    deadline_ms = document.get("deadline_ms")
    if deadline_ms is None:
        return None
    if not isinstance(deadline_ms, int) or isinstance(deadline_ms, bool):
        raise RequestFault(Code.INVALID_REQUEST, "must be a whole number", field="deadline_ms")
    if not 1 <= deadline_ms <= limits.max_deadline_ms:
        message = f"must be from 1 to {limits.max_deadline_ms:,}"
        raise RequestFault(Code.INVALID_REQUEST, message, field="deadline_ms")
    return deadline_ms / 1000


def _flag(document: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = document.get(name, default)
    if not isinstance(value, bool):
        raise RequestFault(Code.INVALID_REQUEST, "must be true or false", field=name)
    return value
