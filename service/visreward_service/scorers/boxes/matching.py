"""Pairs predicted boxes with reference boxes, one to one: greedily in several published orders, or optimally.

All functions take an overlap matrix (P, R) of P predictions and R references and return `Matches`. How the
overlap was measured and what becomes of the pairs is not known here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from visreward_service.scorers.boxes.overlap import Matrix

Order = Literal["confidence", "overlap", "overlap_shadowed", "label", "optimal"]
Same = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Matches:
    """Pairs in the order they were made."""

    predicted: tuple[int, ...] = ()
    reference: tuple[int, ...] = ()
    overlaps: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.predicted)


@dataclass(frozen=True, slots=True)
class Threshold:
    """The overlap that makes a pair."""

    value: float
    inclusive: bool = True
    """Whether an overlap equal to the value is enough."""

    def admits(self, overlap: float) -> bool:
        """Whether the overlap is enough."""
        return overlap >= self.value if self.inclusive else overlap > self.value


def match_by_confidence(overlaps: Matrix, confidences: Sequence[float], threshold: Threshold) -> Matches:
    """Let each prediction, most confident first, take its best free reference that overlaps it at all.

    Ties go to the earlier box (Visual-RFT, `grpo.py`).
    """
    free = np.ones(overlaps.shape[1], dtype=bool)
    pairs = []
    for row in sorted(range(len(confidences)), key=lambda index: -confidences[index]):
        if not free.any():
            break
        candidates = np.where(free, overlaps[row], 0.0)
        column = int(candidates.argmax())
        best = float(candidates[column])
        if best > 0 and threshold.admits(best):
            free[column] = False
            pairs.append((row, column, best))
    return _collect(pairs)


def match_by_overlap(overlaps: Matrix, threshold: Threshold) -> Matches:
    """Pair the largest overlap first; ties go to the earlier prediction, then to the earlier reference."""
    enough = overlaps >= threshold.value if threshold.inclusive else overlaps > threshold.value
    rows, columns = np.nonzero(enough)
    order = np.argsort(-overlaps[rows, columns], kind="stable")
    free_rows, free_columns = set(range(overlaps.shape[0])), set(range(overlaps.shape[1]))
    pairs = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist()):
        if row in free_rows and column in free_columns:
            free_rows.remove(row)
            free_columns.remove(column)
            pairs.append((row, column, float(overlaps[row, column])))
            if not free_rows or not free_columns:
                break
    return _collect(pairs)


def match_shadowed(overlaps: Matrix, threshold: Threshold) -> Matches:
    """Pair the last free prediction with the last free reference, and give the pair the largest free overlap.

    This is what V-Triune's `greedy_match_by_iou_max_iou_first` does: its loop variables shadow the indices of
    the maximum it looks for.
    """
    if not overlaps.size:
        return Matches()
    largest = np.maximum.accumulate(np.maximum.accumulate(overlaps, axis=0), axis=1)
    pairs = []
    row, column = overlaps.shape[0] - 1, overlaps.shape[1] - 1
    while row >= 0 and column >= 0 and threshold.admits(float(largest[row, column])):
        pairs.append((row, column, float(largest[row, column])))
        row, column = row - 1, column - 1
    return _collect(pairs)


def match_by_label(overlaps: Matrix, same: Same, threshold: Threshold) -> Matches:
    """Let each reference in order take its best free prediction of the same label.

    This is V-Triune's `greedy_match_by_iou_max_label_first`.
    """
    free = np.ones(overlaps.shape[0], dtype=bool)
    pairs = []
    for column in range(overlaps.shape[1]):
        rows = np.flatnonzero(free & same[:, column])
        if rows.size == 0:
            continue
        row = int(rows[overlaps[rows, column].argmax()])
        if threshold.admits(float(overlaps[row, column])):
            free[row] = False
            pairs.append((row, column, float(overlaps[row, column])))
    return _collect(pairs)


def match_optimally(overlaps: Matrix, threshold: Threshold) -> Matches:
    """Maximise the sum of overlaps (Hungarian method), then drop the pairs below the threshold."""
    rows, columns = linear_sum_assignment(overlaps, maximize=True)
    pairs = [(int(row), int(column), float(overlaps[row, column])) for row, column in zip(rows, columns)]
    return _collect([pair for pair in pairs if threshold.admits(pair[2])])


def match(
    order: Order, overlaps: Matrix, same: Same, confidences: Sequence[float], threshold: Threshold
) -> Matches:
    """Return the pairs that `order` makes; `same` (P, R) tells which labels agree."""
    makers: dict[Order, Callable[[], Matches]] = {
        "confidence": lambda: match_by_confidence(overlaps, confidences, threshold),
        "overlap": lambda: match_by_overlap(overlaps, threshold),
        "overlap_shadowed": lambda: match_shadowed(overlaps, threshold),
        "label": lambda: match_by_label(overlaps, same, threshold),
        "optimal": lambda: match_optimally(overlaps, threshold),
    }
    return makers[order]()


def _collect(pairs: Sequence[tuple[int, int, float]]) -> Matches:
    if not pairs:
        return Matches()
    rows, columns, overlaps = zip(*pairs, strict=True)
    return Matches(rows, columns, overlaps)
