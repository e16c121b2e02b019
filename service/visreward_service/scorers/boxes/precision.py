"""Average precision of boxes as the COCO evaluation defines it (`pycocotools.cocoeval`, all areas).

Boxes with labels and confidences in, three numbers out. Where the boxes came from is not known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visreward_service.scorers.boxes.overlap import Boxes, Matrix, measure_areas

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
MAX_DETECTIONS = 100
"""Detections per image and label that count, most confident first."""
MAX_AREA = 1e10
"""Boxes with a larger area, or a negative one, are left out of the count."""
EXACT = 1 - 1e-10


@dataclass(frozen=True, slots=True)
class Picture:
    """The boxes of one image; labels and confidences are as long as their boxes."""

    predicted: Boxes
    predicted_labels: Sequence[str]
    confidences: Sequence[float]
    reference: Boxes
    reference_labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """AP in [0, 1]; -1 where there is no reference box to find, as in pycocotools."""

    mean: float
    """Over IoU thresholds 0.50, 0.55 .. 0.95."""
    at_50: float
    at_75: float


def measure_average_precision(pictures: Sequence[Picture]) -> AveragePrecision:
    """Return the average precision over the references' labels; predictions of other labels are ignored."""
    labels = sorted({label for picture in pictures for label in picture.reference_labels})
    per_label = [curve for label in labels if (curve := _measure_label(pictures, label)) is not None]
    if not per_label:
        return AveragePrecision(-1.0, -1.0, -1.0)
    precision = np.stack(per_label, axis=-1)  # (threshold, recall, label)
    return AveragePrecision(float(precision.mean()), float(precision[0].mean()), float(precision[5].mean()))


def _measure_label(pictures: Sequence[Picture], label: str) -> Matrix | None:
    """Return precision (threshold, recall) for one label; None where no reference box of it counts."""
    evaluated = [_evaluate(picture, label) for picture in pictures]
    num_counted = sum(counted for *_, counted in evaluated)
    if num_counted == 0:
        return None
    confidences = np.concatenate([one[0] for one in evaluated])
    order = np.argsort(-confidences, kind="stable")
    hits = np.concatenate([one[1] for one in evaluated], axis=1)[:, order]
    ignored = np.concatenate([one[2] for one in evaluated], axis=1)[:, order]
    true = np.cumsum(hits & ~ignored, axis=1).astype(float)
    false = np.cumsum(~hits & ~ignored, axis=1).astype(float)
    return np.stack([_interpolate(t, f, num_counted) for t, f in zip(true, false)])


def _interpolate(true: Matrix, false: Matrix, num_counted: int) -> Matrix:
    """Return precision at the 101 recalls: the best precision at that recall or any higher one, else 0."""
    if true.size == 0:
        return np.zeros(RECALLS.size)
    recall = true / num_counted
    precision = true / (true + false + np.spacing(1))
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, RECALLS, side="left")
    reached = places < best.size
    return np.where(reached, best[np.minimum(places, best.size - 1)], 0.0)


def _evaluate(
    picture: Picture, label: str
) -> tuple[Matrix, npt.NDArray[np.bool_], npt.NDArray[np.bool_], int]:
    """Return confidences (D,), hits and ignored flags (threshold, D), and how many references count."""
    rows = [index for index, own in enumerate(picture.predicted_labels) if own == label]
    confidences = np.array([picture.confidences[row] for row in rows], dtype=float)
    order = np.argsort(-confidences, kind="stable")[:MAX_DETECTIONS]
    columns = [index for index, own in enumerate(picture.reference_labels) if own == label]
    found = picture.predicted[rows].reshape(-1, 4)[order]
    wanted = picture.reference[columns].reshape(-1, 4)
    sizes = measure_areas(wanted)
    left_out = (sizes < 0) | (sizes > MAX_AREA)
    wanted, left_out = wanted[np.argsort(left_out, kind="stable")], np.sort(left_out)
    overlaps = _measure_overlaps(found, wanted)
    areas = measure_areas(found)
    beyond = (areas < 0) | (areas > MAX_AREA)
    hits = np.zeros((THRESHOLDS.size, len(found)), dtype=bool)
    ignored = np.zeros_like(hits)
    for place, threshold in enumerate(THRESHOLDS):
        taken = _assign(overlaps, left_out, min(float(threshold), EXACT))
        hits[place] = taken >= 0
        ignored[place] = np.where(hits[place], left_out[taken] if left_out.size else False, beyond)
    return confidences[order], hits, ignored, int((~left_out).sum())


def _assign(overlaps: Matrix, left_out: npt.NDArray[np.bool_], threshold: float) -> npt.NDArray[np.int64]:
    """Return each detection's reference, or -1. Among equal overlaps the last reference wins."""
    taken = np.full(overlaps.shape[0], -1, dtype=np.int64)
    if overlaps.shape[1] == 0:
        return taken
    free = np.ones(overlaps.shape[1], dtype=bool)
    for row in range(overlaps.shape[0]):
        for candidates in (free & ~left_out, free & left_out):  # one that counts is preferred
            column = _find_best(overlaps[row], candidates, threshold)
            if column >= 0:
                taken[row] = column
                free[column] = False
                break
    return taken


def _find_best(overlaps: Matrix, candidates: npt.NDArray[np.bool_], threshold: float) -> int:
    allowed = np.where(candidates, overlaps, -1.0)
    column = int(allowed.size - 1 - allowed[::-1].argmax())
    return column if allowed[column] >= threshold else -1


def _measure_overlaps(found: Boxes, wanted: Boxes) -> Matrix:
    """Return IoU (D, G) as pycocotools computes it, from corners and sizes."""
    sizes, wanted_sizes = found[:, 2:] - found[:, :2], wanted[:, 2:] - wanted[:, :2]
    far = np.minimum((found[:, :2] + sizes)[:, None], wanted[:, :2] + wanted_sizes)
    near = np.maximum(found[:, None, :2], wanted[:, :2])
    extent = far - near
    shared = np.where((extent > 0).all(axis=2), extent.prod(axis=2), 0.0)
    union = sizes.prod(axis=1)[:, None] + wanted_sizes.prod(axis=1) - shared
    overlaps: Matrix = np.where(shared > 0, shared / np.where(union > 0, union, 1.0), 0.0)
    return overlaps
