"""The scorer for a stated number that should come close to the reference's."""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from visreward.protocol import Code
from visreward.protocol.fields import Name
from visreward_service.scorers.base import Catalog, Fault, Params, Score, Scorer, Subject, Work

DIGITS = r"([\d\.]{1,64})"


class RegressionParams(Params):
    text: str = "completion"
    """The piece that holds the number."""
    key: Name = "rating"
    """The JSON key that the number stands under: `"rating": 3.5`. The first one counts."""
    reference: Name = "score"
    """Name of the true number in `reference.extra`."""
    threshold: Annotated[float, Field(gt=0.0)] = 0.35
    """Differences below it are right; one equal to it is not."""
    low: float | None = None
    high: float | None = None
    """Bounds of the scale: a number beyond them is wrong. None for no bound."""


class Regression(Scorer[RegressionParams]):
    """1 where the stated number is less than the threshold away from the true one (as in Q-Insight).

    Outputs: `within`, 0 or 1; `closeness`, max(0, 1 - difference/threshold); `difference`, left out where no
    number is stated. The number is digits and dots without a sign, as in Q-Insight's pattern.
    """

    Params = RegressionParams
    summary = "a stated number within a threshold of the true one"

    def __init__(self, params: RegressionParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        self._pattern = re.compile(rf'"{re.escape(params.key)}"\s*:\s*{DIGITS}')

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("within", "closeness", "difference")

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        wanted = read_number(subject, self.params.reference)
        text = subject.text(self.params.text)
        match = None if text is None else self._pattern.search(text)
        stated = None if match is None else _read(match[1])
        if stated is None:
            return Score({"within": 0.0, "closeness": 0.0}, {"status": "no_number"})
        low, high = self.params.low, self.params.high
        if (low is not None and stated < low) or (high is not None and stated > high):
            return Score({"within": 0.0, "closeness": 0.0}, {"status": "out_of_range", "stated": stated})
        difference = abs(stated - wanted)
        values = {
            "within": float(difference < self.params.threshold),
            "closeness": max(0.0, 1.0 - difference / self.params.threshold),
            "difference": difference,
        }
        return Score(values, {"stated": stated, "reference": wanted})


def _read(digits: str) -> float | None:
    try:
        return float(digits)
    except ValueError:
        return None


def read_number(subject: Subject, name: str) -> float:
    """Return the number `name` of `reference.extra`. Raise `Fault` where it is missing or no number."""
    value = subject.item.reference.extra.get(name)
    field = f"reference.extra.{name}"
    if value is None:
        raise Fault(Code.MISSING_FIELD, f"the term needs {field}", field=field)
    if isinstance(value, str):
        value = _read(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Fault(Code.INVALID_ITEM, f"{field} must be a number", field=field)
    return float(value)
