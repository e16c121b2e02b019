"""The scorer for counts: how many objects a completion gives, against how many there are."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from visreward.protocol import Code
from visreward_service.scorers.base import Fault, Score, Scorer, Subject, Work
from visreward_service.scorers.boxes import BoxParams, read_boxes
from visreward_service.scorers.boxes.points import read_points

LAST_NUMBER = re.compile(r"(?<![\d.])(\d{1,9})(?!\d)(?!\.\d)")


class CountingParams(BoxParams):
    what: Literal["boxes", "points", "number"] = "boxes"
    """What is counted: boxes, points, or nothing, for the text states a number (its last whole one)."""


class Counting(Scorer[CountingParams]):
    """Compares a count with `reference.extra.count`, or with the number of `reference.boxes`.

    Outputs: `exact`, 1 where they are equal; `closeness`, max(0, 1 - |P-R|/max(R, 1)); `ratio`, min/max of
    the two, 1 where both are 0; `count`. Text without a number, or with too many boxes, earns 0.
    """

    Params = CountingParams
    summary = "a count of boxes or points, or a stated number, against the reference's"

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("exact", "closeness", "ratio", "count")

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        wanted = _find_count(subject)
        text = subject.text(self.params.text)
        found = None if text is None else self._count(text)
        details = {"counted": found, "reference": wanted}
        if found is None:
            return Score({"exact": 0.0, "closeness": 0.0, "ratio": 0.0, "count": 0.0}, details)
        largest = max(found, wanted)
        values = {
            "exact": float(found == wanted),
            "closeness": max(0.0, 1.0 - abs(found - wanted) / max(wanted, 1)),
            "ratio": min(found, wanted) / largest if largest else 1.0,
            "count": float(found),
        }
        return Score(values, details)

    def _count(self, text: str) -> int | None:
        if self.params.what == "number":
            numbers = LAST_NUMBER.findall(text)
            return int(numbers[-1]) if numbers else None
        if self.params.what == "points":
            points = read_points(text, self.params.max_boxes)
            return None if points.too_many else len(points.coordinates)
        reading = read_boxes(text, self.params.style, self.params.max_boxes)
        return len(reading.boxes) if reading.status in ("ok", "none") else None


def _find_count(subject: Subject) -> int:
    reference = subject.item.reference
    count = reference.extra.get("count")
    if count is None and reference.boxes is not None:
        return len(reference.boxes)
    field = "reference.extra.count"
    if count is None:
        raise Fault(Code.MISSING_FIELD, f"the term needs {field} or reference.boxes", field=field)
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise Fault(Code.INVALID_ITEM, f"{field} must be a whole number that is not negative", field=field)
    return count
