"""How much boxes overlap: IoU, generalised IoU, and the off-by-one IoU of published code.

A box is `[x1, y1, x2, y2]`. Every function takes boxes of shape (N, 4) and (M, 4) in one frame and returns
an (N, M) matrix. Boxes that are empty or turned over overlap nothing. Frames and labels are not known here.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Measure = Literal["iou", "giou", "iou_off_by_one"]


def measure_areas(boxes: Boxes) -> Matrix:
    """Return the signed areas (N,): negative where a box is turned over along one axis."""
    areas: Matrix = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def measure_iou(left: Boxes, right: Boxes) -> Matrix:
    """Return intersection over union, in [0, 1]."""
    width = np.minimum(left[:, None, 2], right[:, 2]) - np.maximum(left[:, None, 0], right[:, 0])
    height = np.minimum(left[:, None, 3], right[:, 3]) - np.maximum(left[:, None, 1], right[:, 1])
    shared = np.where((width > 0) & (height > 0), width * height, 0.0)
    return _divide(shared, measure_areas(left)[:, None] + measure_areas(right) - shared)


def measure_iou_off_by_one(left: Boxes, right: Boxes) -> Matrix:
    """Return the IoU of VLM-R1's `grpo_jsonl.py`, for integer pixels.

    It takes the far edges as inclusive in the intersection (minus one, then plus one on the size) and as
    exclusive in the union. An intersection one pixel wide counts as none, as does any in a 0..1 frame.
    """
    right_edge = np.minimum(left[:, None, 2] - 1, right[:, 2] - 1)
    bottom_edge = np.minimum(left[:, None, 3] - 1, right[:, 3] - 1)
    left_edge = np.maximum(left[:, None, 0], right[:, 0])
    top_edge = np.maximum(left[:, None, 1], right[:, 1])
    meets = (left_edge < right_edge) & (top_edge < bottom_edge)
    shared = np.where(meets, (right_edge - left_edge + 1) * (bottom_edge - top_edge + 1), 0.0)
    return _divide(shared, measure_areas(left)[:, None] + measure_areas(right) - shared)


def measure_giou(left: Boxes, right: Boxes) -> Matrix:
    """Return generalised IoU (arXiv:1902.09630), in [-1, 1] for boxes that are not turned over.

    For boxes that are, the formula is applied as it stands and its value has no bounds.
    """
    width = np.minimum(left[:, None, 2], right[:, 2]) - np.maximum(left[:, None, 0], right[:, 0])
    height = np.minimum(left[:, None, 3], right[:, 3]) - np.maximum(left[:, None, 1], right[:, 1])
    shared = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    union = measure_areas(left)[:, None] + measure_areas(right) - shared
    hull_width = np.maximum(left[:, None, 2], right[:, 2]) - np.minimum(left[:, None, 0], right[:, 0])
    hull_height = np.maximum(left[:, None, 3], right[:, 3]) - np.minimum(left[:, None, 1], right[:, 1])
    hull = hull_width * hull_height
    iou = np.where(union > 0, shared / np.where(union > 0, union, 1.0), 0.0)
    giou: Matrix = np.where(hull > 0, iou - (hull - union) / np.where(hull > 0, hull, 1.0), iou)
    return giou


def _divide(shared: Matrix, union: Matrix) -> Matrix:
    quotient: Matrix = np.where(shared > 0, shared / np.where(union > 0, union, 1.0), 0.0)
    return quotient


MEASURES: dict[Measure, Callable[[Boxes, Boxes], Matrix]] = {
    "iou": measure_iou,
    "giou": measure_giou,
    "iou_off_by_one": measure_iou_off_by_one,
}
