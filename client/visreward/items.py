"""From what a caller calls an item to the bytes of one on the wire.

An item that cannot be put on the wire becomes a failed item here, with the error that the service would give,
and costs its neighbours nothing. What the fields mean is the service's business.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from visreward import protocol
from visreward.codec import Codec
from visreward.images import ImageError, ImageInput, ImageStore, is_single
from visreward.protocol import Code, ErrorBody, ItemResult, Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemInput:
    """One completion to score; the typed twin of the plain dict."""

    completion: str
    id: str | None = None
    """Unique within the call; None lets the client give one."""
    group: str | None = None
    """Shared by the completions of one prompt."""
    source: str | None = None
    """The data set the item came from."""
    images: "Sequence[ImageInput] | ImageInput" = ()
    prompt: str | None = None
    completion_tokens: int | None = None
    """Length of the completion in the policy's own tokens."""
    reference: Reference | Mapping[str, Any] | None = None


ItemLike: TypeAlias = ItemInput | protocol.Item | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sendable:
    """An item ready to be sent."""

    index: int
    """Its place in the caller's list."""
    id: str | None
    group: str | None
    encoded: bytes
    digests: tuple[str, ...]
    """Its images in order, sent or only named."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A caller's items, each either ready or failed, and the images that go with them."""

    num_items: int
    sendable: list[Sendable]
    failed: dict[int, ItemResult]
    """By place in the caller's list."""
    groups: list[str | None]
    """Group of every item, in the caller's order; None for an item without a readable one."""
    images: Mapping[str, bytes]


def prepare(items: Iterable[ItemLike], codec: Codec, *, max_image_bytes: int) -> Prepared:
    """Encode items and load their images.

    Raises TypeError where a member of `items` is no item at all; every other fault is that item's own.
    """
    plain = [to_plain_item(item, index) for index, item in enumerate(items)]
    ids = _choose_ids(plain)
    store = ImageStore(max_image_bytes=max_image_bytes)
    seen: set[str] = set()
    prepared = Prepared(len(plain), [], {}, [_name(item.get("group")) for item in plain], store.data)
    for index, (item, item_id) in enumerate(zip(plain, ids, strict=True)):
        try:
            _check_id(item_id, seen)
            prepared.sendable.append(_encode({**item, "id": item_id}, index, codec, store))
        except _Fault as fault:
            field = ".".join(filter(None, (f"items[{index}]", fault.field)))
            body = ErrorBody(code=fault.code, message=str(fault), field=field)
            prepared.failed[index] = ItemResult(id=_name(item_id), reward=None, error=body)
    return prepared


def to_plain_item(item: ItemLike, index: int) -> dict[str, Any]:
    """Return the item's fields as a dict of its own, without the ones that were not given."""
    if isinstance(item, Mapping):
        return dict(item)
    if isinstance(item, protocol.Item):
        return item.model_dump(exclude_unset=True)
    if isinstance(item, ItemInput):
        values = {field.name: getattr(item, field.name) for field in fields(item)}
        return {name: value for name, value in values.items() if value is not None}
    raise TypeError(
        f"items[{index}] is a {type(item).__name__}; an item is a dict, an ItemInput or a protocol.Item"
    )


class _Fault(Exception):
    """What keeps one item from being sent."""

    def __init__(self, code: Code, field: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


def _choose_ids(items: list[dict[str, Any]]) -> list[Any]:
    """Keep the ids that are there; give every other item its place as an id, told apart from taken ones."""
    taken = {item["id"] for item in items if isinstance(item.get("id"), str)}
    ids: list[Any] = []
    for index, item in enumerate(items):
        given = item.get("id")
        if given is None:
            given = str(index)
            while given in taken:
                given = f"_{given}"
            taken.add(given)
        ids.append(given)
    return ids


def _check_id(item_id: Any, seen: set[str]) -> None:
    """Note an id that is text; requests are cut from the call, so only here is a second use seen."""
    if not isinstance(item_id, str):
        return
    if item_id in seen:
        raise _Fault(Code.DUPLICATE_ID, "id", f"an earlier item has the id {item_id!r}")
    seen.add(item_id)


def _encode(item: dict[str, Any], index: int, codec: Codec, store: ImageStore) -> Sendable:
    digests = _digests(item.get("images"), store)
    item["images"] = digests
    if item.get("reference") is None:
        item.pop("reference", None)
    try:
        encoded = codec.encode(item)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _find_fault(item, codec, error) from None
    return Sendable(index, _name(item["id"]), _name(item.get("group")), encoded, tuple(digests))


def _digests(images: Any, store: ImageStore) -> list[str]:
    if images is None:
        return []
    several = [images] if is_single(images) else images
    digests = []
    for place, image in enumerate(several):
        try:
            digests.append(store.add(image))
        except ImageError as error:
            raise _Fault(error.code, f"images[{place}]", str(error)) from None
        except TypeError as error:
            raise _Fault(Code.INVALID_ITEM, f"images[{place}]", str(error)) from None
    return digests


def _find_fault(item: dict[str, Any], codec: Codec, error: Exception) -> _Fault:
    """Name the first leaf of the item that has no encoding."""
    for path, leaf in _leaves(item):
        try:
            codec.encode(leaf)
        except UnicodeEncodeError as reason:
            message = f"contains a lone surrogate at character {reason.start}"
            return _Fault(Code.TEXT_INVALID, path, message)
        except (ValueError, TypeError, OverflowError) as reason:
            return _Fault(Code.INVALID_ITEM, path, f"cannot be sent: {reason}")
    return _Fault(Code.INVALID_ITEM, "", f"cannot be sent: {error}")


def _leaves(value: Any, path: str = "", depth: int = 0) -> Iterable[tuple[str, Any]]:
    """Yield what stands in nested dicts and lists, with its path; no deeper than anything real goes."""
    if depth > 20:
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield path, name
            yield from _leaves(inner, f"{path}.{name}" if path else str(name), depth + 1)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{place}]", depth + 1)
    else:
        yield path, value


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None
