"""Requests between protocol buffers and the plain values that JSON and msgpack carry. Checks no field."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from visreward.protocol.proto import reward_pb2 as pb

INLINE_FIELDS = ("extract", "terms", "reward", "group")


def to_document(message: pb.ScoreRequest) -> dict[str, Any]:
    """Return the request as `POST /score` decodes it. Raises ValueError for an unreadable inline recipe."""
    document: dict[str, Any] = {
        "images": [{"digest": image.digest, "data": image.data} for image in message.images],
        "items": [_item(item) for item in message.items],
    }
    if message.HasField("recipe"):
        document["recipe"] = message.recipe
    if message.HasField("inline_recipe"):
        document.update(_inline(message.inline_recipe))
    for name in ("deadline_ms", "details"):
        if message.HasField(name):
            document[name] = getattr(message, name)
    return document


def _inline(text: str) -> dict[str, Any]:
    try:
        recipe = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise ValueError("inline_recipe must be valid JSON") from None
    if not isinstance(recipe, dict) or recipe.keys() - set(INLINE_FIELDS):
        raise ValueError(
            f"inline_recipe must be a JSON object with {', '.join(INLINE_FIELDS)} and nothing else"
        )
    return recipe


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _item(message: pb.Item) -> dict[str, Any]:
    item: dict[str, Any] = {"images": list(message.images)}
    _copy(message, item, ("id", "group", "source", "prompt", "completion", "completion_tokens"))
    if message.HasField("reference"):
        item["reference"] = _reference(message.reference)
    return item


def _copy(message: Any, target: dict[str, Any], names: Iterable[str]) -> None:
    target.update((name, getattr(message, name)) for name in names if message.HasField(name))


def _reference(message: pb.Reference) -> dict[str, Any]:
    reference: dict[str, Any] = {}
    _copy(message, reference, ("answer",))
    for name, read in LISTS.items():
        if message.HasField(name):
            reference[name] = [read(value) for value in getattr(message, name).values]
    if message.extra:
        reference["extra"] = {name: _value(value) for name, value in message.extra.items()}
    return reference


def _phrase(message: pb.Phrase) -> dict[str, Any]:
    phrase: dict[str, Any] = {"text": message.text, "negatives": list(message.negatives)}
    if message.box:
        phrase["box"] = list(message.box)
    return phrase


def _box(message: pb.LabelledBox) -> dict[str, Any]:
    box: dict[str, Any] = {"box": list(message.box)}
    _copy(message, box, ("label",))
    return box


def _value(message: pb.Value) -> Any:
    kind = message.WhichOneof("kind")
    if kind == "texts":
        return list(message.texts.values)
    return getattr(message, kind) if kind is not None else None


LISTS: dict[str, Callable[[Any], Any]] = {
    "answers": str,
    "key_words": str,
    "captions": str,
    "phrases": _phrase,
    "boxes": _box,
}


def to_message(document: Mapping[str, Any]) -> pb.ScoreRequest:
    """Return the message of a plain request. Raises ValueError or TypeError where it has no such form.

    A field that is null is left out. An unknown field is an error here, where JSON would carry it to the
    service to be refused there.
    """
    fields = {name: value for name, value in document.items() if value is not None}
    inline = {name: fields.pop(name) for name in INLINE_FIELDS if name in fields}
    if inline:
        fields["inline_recipe"] = json.dumps(inline, ensure_ascii=False, allow_nan=False)
    items = [_to_item(item) for item in fields.pop("items", [])]
    return pb.ScoreRequest(items=items, **fields)


def _to_item(item: Mapping[str, Any]) -> pb.Item:
    fields = {name: value for name, value in item.items() if value is not None}
    if "reference" in fields:
        fields["reference"] = _to_reference(fields["reference"])
    return pb.Item(**fields)


def _to_reference(reference: Mapping[str, Any]) -> pb.Reference:
    fields = {name: value for name, value in reference.items() if value is not None}
    for name in LISTS.keys() & fields.keys():
        fields[name] = {"values": fields[name]}
    extra = fields.pop("extra", {})
    return pb.Reference(extra={name: _to_value(value) for name, value in extra.items()}, **fields)


def _to_value(value: Any) -> pb.Value:
    if value is None:
        return pb.Value()
    if isinstance(value, bool):
        return pb.Value(flag=value)
    if isinstance(value, int):
        return pb.Value(whole=value)
    if isinstance(value, float):
        return pb.Value(number=value)
    if isinstance(value, str):
        return pb.Value(text=value)
    return pb.Value(texts=pb.Texts(values=value))
