"""The scorer for described figures: points, lines and circles against those of the reference."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from scipy.optimize import linear_sum_assignment

from visreward.protocol import Code
from visreward.protocol.fields import Name
from visreward_service.scorers.base import Fault, Params, Score, Scorer, Subject, Work
from visreward_service.scorers.boxes.shapes import (
    MAX_COST,
    Array,
    Figure,
    fit_lines,
    measure_costs,
    read_figure,
)


class PrimitivesParams(Params):
    text: str = "completion"
    """The piece with the sections `Point:`, `Line:` and `Circle:`."""
    reference: Name = "primitives"
    """Name of the reference's description, in the same layout, in `reference.extra`."""
    merge_reference: bool = False
    """Read the reference's lines as one line, as CogFlow's released preprocessing has them read."""
    tolerance: Annotated[float, Field(gt=0.0)] = 0.5
    """Largest distance between two points, or between two circles as (x, y, radius), that makes a pair."""
    max_shapes: Annotated[int, Field(ge=1, le=1000)] = 300
    """A completion with more is the policy's failure and earns 0; a reference with more is an item error."""


class Primitives(Scorer[PrimitivesParams]):
    """F1 of shapes paired at least cost, class by class.

    Outputs: `lines_f1` (CogFlow's parameter reward, arXiv:2601.01874: lines alone, 1 where neither side has
    any, 0 where one has none), `points_f1` and `circles_f1` (pairs within `tolerance`; the same for empty
    sides), and `mean_f1` over the classes that either side has, 1 where there are none at all.
    """

    Params = PrimitivesParams
    summary = "described points, lines and circles against the reference's: F1 by class"

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("lines_f1", "points_f1", "circles_f1", "mean_f1")

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        wanted = self._read_reference(subject)
        text = subject.text(self.params.text)
        found = Figure() if text is None else read_figure(text)
        if found.size > self.params.max_shapes:
            return Score(dict.fromkeys(self.outputs, 0.0), {"status": "too_many", "shapes": found.size})
        scores = {
            "lines_f1": _compare_lines(found, wanted),
            "points_f1": self._compare(found.points, wanted.points),
            "circles_f1": self._compare(found.circles, wanted.circles),
        }
        sides = ((found.lines, wanted.lines), (found.points, wanted.points), (found.circles, wanted.circles))
        present = [score for score, (own, true) in zip(scores.values(), sides) if own or true]
        scores["mean_f1"] = sum(present) / len(present) if present else 1.0
        return Score(scores, {"lines": len(found.lines), "reference_lines": len(wanted.lines)})

    def _read_reference(self, subject: Subject) -> Figure:
        field = f"reference.extra.{self.params.reference}"
        text = subject.item.reference.extra.get(self.params.reference)
        if text is None:
            raise Fault(Code.MISSING_FIELD, f"the term needs {field}", field=field)
        if not isinstance(text, str):
            raise Fault(Code.INVALID_ITEM, f"{field} must be a text", field=field)
        figure = read_figure(text.replace("\n", " ") if self.params.merge_reference else text)
        if figure.size == 0:
            raise Fault(Code.REFERENCE_UNPARSABLE, f"{field} describes no shape", field=field)
        if figure.size > self.params.max_shapes:
            raise Fault(
                Code.INVALID_ITEM, f"{field} has more than {self.params.max_shapes} shapes", field=field
            )
        return figure

    def _compare(self, found: Sequence[Sequence[float]], wanted: Sequence[Sequence[float]]) -> float:
        if not found or not wanted:
            return float(not found and not wanted)
        own, true = np.array(found, dtype=np.float64), np.array(wanted, dtype=np.float64)
        distances = np.linalg.norm(own[:, None] - true, axis=2)
        return _measure_f1(np.where(distances <= self.params.tolerance, distances, 2 * MAX_COST))


def _compare_lines(found: Figure, wanted: Figure) -> float:
    if not found.lines or not wanted.lines:
        return float(not found.lines and not wanted.lines)
    return _measure_f1(measure_costs(fit_lines(found.lines), fit_lines(wanted.lines)))


def _measure_f1(costs: Array) -> float:
    rows, columns = linear_sum_assignment(costs)
    num_pairs = int((costs[rows, columns] < MAX_COST).sum())
    precision, recall = num_pairs / costs.shape[0], num_pairs / costs.shape[1]
    return 2 * precision * recall / (precision + recall) if num_pairs else 0.0
