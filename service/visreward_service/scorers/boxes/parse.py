"""Reads boxes out of text: one function per way that published policies write them, and a tolerant one.

Each takes a text and returns a `Reading`; none raises, whatever the text, and the time each takes grows with
the text's length and no faster. Frames, references and rewards are not known here.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Style = Literal["tolerant", "visual_rft", "v_triune", "vlm_r1", "pairs", "plain", "plain_only"]
Status = Literal["ok", "none", "unreadable", "too_many"]
Coordinates = tuple[float, float, float, float]

MAX_COORDINATE = 1e9
"""Coordinates beyond this are taken for this, so that no area overflows."""

BOX_KEYS = ("bbox_2d", "bbox", "box", "Position", "position")
LABEL_KEYS = ("label", "class", "category", "name")
CONFIDENCE_KEYS = ("Confidence", "confidence", "score")

# Digits are bounded: without a bound, a long run of them that no comma follows takes quadratic time.
NUMBER = r"\s*([-+]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20}))\s*"
PLAIN = re.compile(rf"[\[(]{NUMBER},{NUMBER},{NUMBER},{NUMBER}[\])]")
PAIRS = re.compile(rf"\({NUMBER},{NUMBER}\)\s*,\s*\({NUMBER},{NUMBER}\)")
INTEGER_LIST = re.compile(r"\[(\d+),\s*(\d+),\s*(\d+),\s*(\d+)\]")
INTEGER_PAIRS = re.compile(r"\(\s*(\d+)\s*,\s*(\d+)\s*\)\s*,\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)")
NOTHING = re.compile(r"\s*(?:no objects?|none|null|\[\s*\])\s*\.?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FoundBox:
    """A box as written."""

    box: Coordinates
    label: str | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The boxes of a text, in order."""

    status: Status
    """`none`: the text says that there are no boxes; `unreadable`: it holds none in this style."""
    boxes: tuple[FoundBox, ...] = ()
    num_invalid: int = 0
    """Entries that look like boxes and are not: wrong length, no numbers, not finite."""


UNREADABLE = Reading("unreadable")


def read_boxes(text: str, style: Style, max_boxes: int) -> Reading:
    """Return the boxes in `text`; more than `max_boxes` are `too_many`, and then none are returned."""
    reading = READERS[style](text)
    return Reading("too_many") if len(reading.boxes) > max_boxes else reading


def read_tolerant(text: str) -> Reading:
    """Read JSON (fenced or bare, cut off or in single quotes), else pairs of points, else bare lists."""
    content = _strip_fence(text)
    if NOTHING.fullmatch(content):
        return Reading("none")
    for data in _decode_tolerantly(content):
        reading = _gather(data)
        if reading.boxes or reading.num_invalid:
            return reading
    for pattern in (PAIRS, PLAIN):
        reading = _read_numbers(pattern, text)
        if reading.boxes:
            return reading
    return UNREADABLE


def read_visual_rft(text: str) -> Reading:
    """Read `[{'Position': [..], 'Confidence': c}, ..]` as Visual-RFT's `grpo.py` does.

    Double brackets become single ones, a list that is cut off ends at its last whole entry, equal positions
    count once, and one entry without four numbers and a confidence makes all of it unreadable.
    """
    text = text.replace("[[", "[").replace("]]", "]").replace("\n", "").partition("</answer>")[0]
    entries = _decode(_repair(text).replace("'", '"'))
    if not isinstance(entries, list) or not entries:
        return UNREADABLE
    boxes: dict[Coordinates, FoundBox] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            return UNREADABLE
        box, confidence = _read_coordinates(entry.get("Position")), _read_number(entry.get("Confidence"))
        if box is None or confidence is None:
            return UNREADABLE
        boxes.setdefault(box, FoundBox(box, confidence=confidence))
    return Reading("ok", tuple(boxes.values()))


def read_v_triune(text: str) -> Reading:
    """Read `[{'bbox_2d': [..], 'label': ..}, ..]` as V-Triune's `det_helper.py` does.

    The text is lower-cased, entries without label or four ordered numbers are dropped, and equal boxes count
    once whatever their labels.
    """
    text = text.lower().replace("[[", "[").replace("]]", "]")
    entries = _decode(_repair(text).replace("'", '"').replace("\\", "")) if text.strip() else None
    if not isinstance(entries, list):
        return UNREADABLE
    boxes: dict[Coordinates, FoundBox] = {}
    for entry in entries:
        box = _read_coordinates(entry.get("bbox_2d")) if isinstance(entry, dict) else None
        if box is None or not isinstance(entry.get("label"), str) or box[0] > box[2] or box[1] > box[3]:
            continue
        boxes.setdefault(box, FoundBox(box, entry["label"]))
    return Reading("ok", tuple(boxes.values()), len(entries) - len(boxes)) if boxes else UNREADABLE


def read_vlm_r1(text: str) -> Reading:
    """Read the last JSON fence, a list of `bbox_2d` with `label`, as VLM-R1's `grpo_jsonl.py` does.

    Entries that are no boxes stay out; text without a fence, or with broken JSON in it, holds no boxes.
    """
    fence = _find_last_fence(text)
    data = None if fence is None else _decode(fence.strip())
    if not isinstance(data, list):
        return UNREADABLE
    if not data:
        return Reading("none")
    boxes = []
    for entry in data:
        box = _read_coordinates(entry.get("bbox_2d")) if isinstance(entry, dict) else None
        if box is not None:
            label = entry.get("label")
            boxes.append(FoundBox(box, label if isinstance(label, str) else None))
    return Reading("ok", tuple(boxes), len(data) - len(boxes))


def read_pairs(text: str) -> Reading:
    """Read `(x1,y1),(x2,y2)` of whole numbers, wherever they stand."""
    return _read_numbers(INTEGER_PAIRS, text)


def read_plain(text: str) -> Reading:
    """Read `[x1, y1, x2, y2]` of whole numbers, wherever they stand."""
    return _read_numbers(INTEGER_LIST, text)


def read_plain_only(text: str) -> Reading:
    """Read the one bare list of a text that holds one; a text that holds several holds none (ERGO)."""
    reading = read_plain(text)
    return reading if len(reading.boxes) == 1 else UNREADABLE


READERS: dict[Style, Callable[[str], Reading]] = {
    "tolerant": read_tolerant,
    "visual_rft": read_visual_rft,
    "v_triune": read_v_triune,
    "vlm_r1": read_vlm_r1,
    "pairs": read_pairs,
    "plain": read_plain,
    "plain_only": read_plain_only,
}


def _read_numbers(pattern: re.Pattern[str], text: str) -> Reading:
    found = [_clamp(tuple(float(number) for number in match.groups())) for match in pattern.finditer(text)]
    return Reading("ok", tuple(FoundBox(box) for box in found)) if found else UNREADABLE


def _clamp(numbers: Sequence[float]) -> Coordinates:
    x1, y1, x2, y2 = (min(max(number, -MAX_COORDINATE), MAX_COORDINATE) for number in numbers)
    return x1, y1, x2, y2


def _read_number(value: Any) -> float | None:
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return MAX_COORDINATE if value > 0 else -MAX_COORDINATE
    return number if math.isfinite(number) else None


def _read_coordinates(value: Any) -> Coordinates | None:
    if not isinstance(value, list) or len(value) != 4:
        return None
    numbers = [number for entry in value if (number := _read_number(entry)) is not None]
    return _clamp(numbers) if len(numbers) == 4 else None


def _repair(text: str) -> str:
    """Cut a list that does not end in a bracket at its last `},` and close it."""
    return text if text.endswith("]") else text.rpartition("},")[0] + "}]" if "}," in text else text + "}]"


def _decode(text: str) -> Any:
    """Return the JSON value, or None where the text is none or too deep."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _decode_tolerantly(text: str) -> Iterator[Any]:
    """Give the JSON values that the text may mean, the most literal first."""
    start = min((place for place in (text.find("["), text.find("{")) if place >= 0), default=-1)
    if start < 0:
        return
    whole = text[start:].rstrip()
    for quoted in (whole, whole.replace("'", '"')):
        try:
            yield json.JSONDecoder().raw_decode(quoted)[0]
        except (ValueError, RecursionError):
            if quoted.startswith("["):
                yield _decode(_repair(quoted))


def _strip_fence(text: str) -> str:
    fence = _find_last_fence(text)
    if fence is not None:
        return fence
    opening = text.rfind("```json")
    return text if opening < 0 else text[opening + len("```json") :]


def _find_last_fence(text: str) -> str | None:
    """Return what the last of the fences "```json .. ```" holds, fences counted from the left."""
    content, position = None, 0
    while (opening := text.find("```json", position)) >= 0:
        closing = text.find("```", opening + len("```json"))
        if closing < 0:
            break
        content, position = text[opening + len("```json") : closing], closing + 3
    return content


def _gather(data: Any) -> Reading:
    """Collect the boxes of a JSON value: entries, lists of four, one entry, or a list inside one object."""
    if isinstance(data, dict) and not any(key in data for key in BOX_KEYS):
        lists = [value for value in data.values() if isinstance(value, list)]
        data = lists[0] if len(lists) == 1 else None
    if isinstance(data, dict):
        data = [data]
    if not isinstance(data, list) or _read_coordinates(data) is not None:  # others may follow a bare list
        return UNREADABLE
    boxes = [box for entry in data if (box := _read_entry(entry)) is not None]
    return Reading("ok" if boxes else "unreadable", tuple(boxes), len(data) - len(boxes))


def _read_entry(entry: Any) -> FoundBox | None:
    if isinstance(entry, list):
        box = _read_coordinates(entry)
        return None if box is None else FoundBox(box)
    if not isinstance(entry, dict):
        return None
    box = _read_coordinates(_first(entry, BOX_KEYS))
    if box is None:
        return None
    label, confidence = _first(entry, LABEL_KEYS), _read_number(_first(entry, CONFIDENCE_KEYS))
    return FoundBox(box, label if isinstance(label, str) else None, confidence)


def _first(entry: dict[str, Any], keys: Sequence[str]) -> Any:
    return next((entry[key] for key in keys if key in entry), None)
