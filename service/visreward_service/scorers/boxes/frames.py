"""Frames of coordinates: what the numbers of a box are measured in, and the way from one frame to another.

Sizes come from the item's `reference.extra`. What the boxes enclose is not known here.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from visreward.protocol import Code
from visreward_service.scorers.base import Fault
from visreward_service.scorers.boxes.overlap import Boxes

Frame = Literal["pixels", "resized", "unit", "thousand"]
"""Pixels of the image as stored; pixels of the image as the policy saw it; 0..1; 0..1000."""
Rounding = Literal["none", "truncate"]

SIZES: dict[Frame, tuple[str, str]] = {
    "pixels": ("image_width", "image_height"),
    "resized": ("resized_width", "resized_height"),
}
FIXED: dict[Frame, float] = {"unit": 1.0, "thousand": 1000.0}


def find_extent(frame: Frame, extra: Mapping[str, Any]) -> tuple[float, float]:
    """Return the width and height of the image in `frame`. Raise `Fault` where `extra` lacks a size."""
    if frame in FIXED:
        return FIXED[frame], FIXED[frame]
    width, height = (_read_size(extra, name) for name in SIZES[frame])
    return width, height


def _read_size(extra: Mapping[str, Any], name: str) -> float:
    size = extra.get(name)
    field = f"reference.extra.{name}"
    if size is None:
        raise Fault(Code.MISSING_FIELD, f"the frame of the boxes needs {field}", field=field)
    if isinstance(size, bool) or not isinstance(size, int | float) or size <= 0:
        raise Fault(Code.INVALID_ITEM, f"{field} must be a positive number", field=field)
    return float(size)


def convert(
    boxes: Boxes, source: Frame, target: Frame, extra: Mapping[str, Any], rounding: Rounding = "none"
) -> Boxes:
    """Return boxes (N, 4) of the source frame in the target frame, `x / source width * target width`.

    `truncate` drops the fraction afterwards, as V-Triune's `det_helper.py` does.
    """
    if source == target:
        return np.trunc(boxes) if rounding == "truncate" else boxes
    from_width, from_height = find_extent(source, extra)
    to_width, to_height = find_extent(target, extra)
    converted: Boxes = boxes / np.tile([from_width, from_height], 2) * np.tile([to_width, to_height], 2)
    return np.trunc(converted) if rounding == "truncate" else converted
