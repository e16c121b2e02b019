"""The scorer for sets of boxes: predictions matched to references, and what follows from the pairs."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from visreward.protocol import Code
from visreward_service.scorers.base import Fault, Score, Scorer, Subject, Work
from visreward_service.scorers.boxes import (
    MEASURES,
    BoxParams,
    BoxSet,
    Matches,
    Measure,
    Order,
    Prediction,
    Threshold,
    compare_labels,
    match,
    read_prediction,
    read_reference,
)
from visreward_service.scorers.boxes.matching import Same
from visreward_service.scorers.boxes.overlap import Matrix

Overlap = Annotated[float, Field(ge=-1.0, le=1.0)]
Step = Annotated[list[float], Field(min_length=2, max_length=2)]

OUTPUTS = (
    "f1",
    "precision",
    "recall",
    "mean_iou",
    "balanced_iou",
    "completeness",
    "confidence",
    "size_penalty",
    "count_ratio",
    "readable",
    "num_predicted",
    "num_reference",
    "num_matched",
)
NEVER = -2.0
"""An overlap below every threshold."""
SHARES = OUTPUTS[:9]
"""Outputs that are 1 at best and 0 where the completion holds no boxes."""


class DetectionParams(BoxParams):
    overlap: Measure = "iou"
    order: Order = "optimal"
    """Which pairs are made first."""
    thresholds: Annotated[list[Overlap], Field(min_length=1, max_length=32)] = [0.5]
    """Overlaps that make a pair; with several, every output is the mean over them."""
    inclusive: bool = True
    """Whether an overlap equal to the threshold makes a pair."""
    schedule: Annotated[list[Step], Field(min_length=1, max_length=16)] | None = None
    """`[[progress, threshold], ..]`, the threshold up to that share of training; replaces `thresholds`."""
    labels: Literal["ignore", "zero", "require"] = "ignore"
    """Where labels differ: no matter; a pair with overlap 0; no pair."""
    without_reference: Literal["stated", "unfound", "zero"] = "stated"
    """What earns 1 where the reference has no boxes: saying so; giving none, for any reason; nothing."""
    clamp_confidence: bool = True
    """Take confidences beyond 0..1 for the nearer bound."""
    size_penalty: Annotated[float, Field(gt=0.0, le=1.0)] = 0.6
    """Base of the output `size_penalty`."""


class Detection(Scorer[DetectionParams]):
    """Matches predicted boxes with reference boxes, one to one.

    With P predictions, R references and M pairs: `precision` M/P, `recall` M/R, `f1`; `mean_iou` is the
    sum of the pairs' overlaps over R and `balanced_iou` over max(P, R); `completeness` is
    1 - ((R-M)/R + (P-M)/P)/2; `confidence` the mean of each prediction's confidence, or one minus it where
    it has no pair; `size_penalty` base^|P-R|; `count_ratio` min(1, R/P); `readable` 1 where boxes were read.
    The numbers of Visual-RFT (`grpo.py`), V-Triune (`verify.py`) and VLM-R1 (`grpo_jsonl.py`).
    """

    Params = DetectionParams
    summary = "boxes matched one to one: F1, mean IoU, completeness, confidence, count"

    @property
    def outputs(self) -> tuple[str, ...]:
        return OUTPUTS

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"reference.boxes"})

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        wanted = read_reference(self.params, subject)
        thresholds = self._find_thresholds(subject)
        prediction = read_prediction(self.params, subject)
        found = prediction.found
        details: dict[str, Any] = {"status": prediction.status, "invalid": prediction.num_invalid}
        if not len(wanted):
            return Score(self._judge_empty(prediction), details)
        if not len(found):
            return Score(_fill(0.0, found, wanted), details)
        overlaps = MEASURES[self.params.overlap](found.boxes, wanted.boxes)
        same = compare_labels(found, wanted)
        per_threshold = [self._match(found, overlaps, same, threshold) for threshold in thresholds]
        measured = [self._measure(found, wanted, pairs) for pairs in per_threshold]
        values = {name: sum(one[name] for one in measured) / len(measured) for name in OUTPUTS}
        first = per_threshold[0]
        details["pairs"] = list(zip(first.predicted, first.reference, first.overlaps))[:50]
        return Score(values, details)

    def _find_thresholds(self, subject: Subject) -> Sequence[float]:
        if self.params.schedule is None:
            return self.params.thresholds
        progress = read_progress(subject)
        reached = [threshold for until, threshold in self.params.schedule if progress <= until]
        return [reached[0] if reached else self.params.schedule[-1][1]]

    def _judge_empty(self, prediction: Prediction) -> dict[str, float]:
        right = {
            "stated": prediction.says_none,
            "unfound": not len(prediction.found) and not prediction.num_invalid,
            "zero": False,
        }[self.params.without_reference]
        return _fill(float(right), prediction.found, BoxSet(np.zeros((0, 4)), (), ()))

    def _match(self, found: BoxSet, overlaps: Matrix, same: Same, threshold: float) -> Matches:
        if self.params.labels == "require":
            overlaps = np.where(same, overlaps, NEVER)
        admits = Threshold(threshold, self.params.inclusive)
        pairs = match(self.params.order, overlaps, same, found.confidences, admits)
        if self.params.labels != "zero":
            return pairs
        kept = [
            overlap if same[row, column] else 0.0
            for row, column, overlap in zip(pairs.predicted, pairs.reference, pairs.overlaps)
        ]
        return Matches(pairs.predicted, pairs.reference, tuple(kept))

    def _measure(self, found: BoxSet, wanted: BoxSet, pairs: Matches) -> dict[str, float]:
        num_found, num_wanted, num_pairs = len(found), len(wanted), len(pairs)
        total = sum(pairs.overlaps)
        missed, false = (num_wanted - num_pairs) / num_wanted, (num_found - num_pairs) / num_found
        return {
            "f1": 2 * num_pairs / (num_found + num_wanted),
            "precision": num_pairs / num_found,
            "recall": num_pairs / num_wanted,
            "mean_iou": total / num_wanted,
            "balanced_iou": total / max(num_wanted, num_found),
            "completeness": 1.0 - (missed + false) / 2.0,
            "confidence": self._measure_confidence(found, pairs),
            "size_penalty": self.params.size_penalty ** abs(num_found - num_wanted),
            "count_ratio": min(1.0, num_wanted / num_found),
            "readable": 1.0,
            "num_predicted": float(num_found),
            "num_reference": float(num_wanted),
            "num_matched": float(num_pairs),
        }

    def _measure_confidence(self, found: BoxSet, pairs: Matches) -> float:
        paired = set(pairs.predicted)
        earned = 0.0
        for row in sorted(range(len(found)), key=lambda index: -found.confidences[index]):
            confidence = found.confidences[row]
            if self.params.clamp_confidence:
                confidence = min(max(confidence, 0.0), 1.0)
            earned += confidence if row in paired else 1 - confidence
        return earned / len(found)


def read_progress(subject: Subject) -> float:
    """Return step / total_steps of `reference.extra`. Raise `Fault` where they are missing or senseless."""
    extra = subject.item.reference.extra
    numbers = []
    for name in ("step", "total_steps"):
        value = extra.get(name)
        field = f"reference.extra.{name}"
        if value is None:
            raise Fault(Code.MISSING_FIELD, f"a schedule needs {field}", field=field)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise Fault(Code.INVALID_ITEM, f"{field} must be a number that is not negative", field=field)
        numbers.append(float(value))
    step, total = numbers
    if total == 0:
        message = "reference.extra.total_steps must be positive"
        raise Fault(Code.INVALID_ITEM, message, field="reference.extra.total_steps")
    return step / total


def _fill(share: float, found: BoxSet, wanted: BoxSet) -> dict[str, float]:
    values = dict.fromkeys(SHARES, share)
    values["readable"] = float(len(found) > 0)
    values["num_predicted"] = float(len(found))
    values["num_reference"] = float(len(wanted))
    values["num_matched"] = 0.0
    return values
