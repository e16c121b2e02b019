"""The fields of an item packed into the one field that a trainer passes on to its reward.

Several trainers give a reward no image, no prompt and no group, only a label. A packed label is JSON text
that carries them: `{"visreward": {"images": [...], "reference": {...}, ...}}`. Any other label is the gold
answer itself. Knows no trainer and sends nothing.
"""

import json
from collections.abc import Mapping
from typing import Any

MARK = "visreward"
FIELDS = ("images", "reference", "prompt", "group", "source")
"""What a label may carry; the completion and its length come from the trainer."""


def pack_label(
    *,
    images: list[str] | tuple[str, ...] = (),
    reference: Mapping[str, Any] | None = None,
    prompt: str | None = None,
    group: str | None = None,
    source: str | None = None,
) -> str:
    """Return the label as text. `images` are digests, or paths that the reward's process can read."""
    values = {
        "images": list(images),
        "reference": reference,
        "prompt": prompt,
        "group": group,
        "source": source,
    }
    fields = {name: value for name, value in values.items() if value}
    return json.dumps({MARK: fields}, ensure_ascii=False, default=to_plain)


def read_label(label: Any) -> dict[str, Any]:
    """Return the fields of an item that a label carries.

    A packed label gives what was packed, as text or as the mapping that a data set has made of it. A mapping
    with the key `visreward` gives what stands under it, any other mapping nothing. Other text, numbers and
    lists of text are the gold answer or answers. Raises ValueError for a packed label of another shape.
    """
    label = to_plain(label)
    if isinstance(label, str):
        packed = _unpack(label)
        return {"reference": {"answer": label}} if packed is None else _check(packed)
    if isinstance(label, Mapping):
        inner = label.get(MARK)
        return _check(inner) if isinstance(inner, Mapping) else read_label(inner)
    if isinstance(label, list | tuple):
        return {"reference": {"answers": [str(answer) for answer in label]}}
    return {} if label is None else {"reference": {"answer": str(label)}}


def merge_labels(label: Any, details: Any) -> dict[str, Any]:
    """Return the fields of a label, and over them those that a mapping has under `visreward`.

    References are merged field by field, so that the gold answer may stand in the one and the rest in the
    other.
    """
    below, above = read_label(label), read_label(details) if isinstance(details, Mapping) else {}
    merged = {**below, **above}
    reference = {**below.get("reference", {}), **above.get("reference", {})}
    return {**merged, "reference": reference} if reference else merged


def _unpack(text: str) -> Any:
    """Return what is packed in the text, None where it is no packed label."""
    if not text.lstrip().startswith("{") or MARK not in text:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value.get(MARK) if isinstance(value, dict) and set(value) == {MARK} else None


def _check(packed: Any) -> dict[str, Any]:
    if not isinstance(packed, Mapping):
        raise ValueError(  # noqa: TRY004 - the text is wrong, not the call
            f"a packed label holds an object under {MARK!r}, not {type(packed).__name__}"
        )
    unknown = sorted(str(name) for name in set(packed) - set(FIELDS))
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r} in a packed label; it may have {', '.join(FIELDS)}")
    fields = {name: without_absent(to_plain(value)) for name, value in packed.items()}
    return {name: value for name, value in fields.items() if value is not None}


def to_plain(value: Any) -> Any:
    """Return arrays and numbers of other libraries as Python's own; anything else as it is."""
    to_list = getattr(value, "tolist", None)
    return value if to_list is None else to_list()


def without_absent(value: Any) -> Any:
    """Return the value without None in its mappings: tables give every row the fields of all rows."""
    if isinstance(value, Mapping):
        return {name: without_absent(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [without_absent(to_plain(inner)) for inner in value]
    return to_plain(value)
