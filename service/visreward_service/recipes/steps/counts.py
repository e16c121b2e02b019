"""Steps that count and say: pass rates, classes of questions, filters. They leave the rewards alone."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from visreward_service.recipes.steps import aggregate
from visreward_service.recipes.steps.base import REWARD, Formula, Members, Outcome, Step, read
from visreward_service.scorers.base import Params


class PassRateParams(Params):
    value: Formula = REWARD
    """What is counted."""
    threshold: float = 1.0
    """An item passes from this value on."""


class PassRate(Step[PassRateParams]):
    """How many of a group's items pass, of those that were scored."""

    Params = PassRateParams
    summary = "share of the scored items that pass"
    facts = ("pass_rate",)

    @staticmethod
    def list_formulas(params: PassRateParams) -> Sequence[str]:
        return [params.value]

    def run(self, members: Members) -> Outcome:
        values = read(self.formulas[0], members)
        return Outcome({"pass_rate": aggregate.rate_passed(values, self.params.threshold)})


class ClassifyParams(Params):
    value: Formula = REWARD
    """What is counted."""
    threshold: float = 1.0
    """An item is right from this value on."""
    rollouts: Annotated[int, Field(ge=1, le=100_000)] = 8
    """Items that a whole group has."""
    short: Literal["none", "count"] = "none"
    """A group of fewer items: has no class, or is classed by the right ones out of `rollouts`."""


class Classify(Step[ClassifyParams]):
    """The class of a question: easy, medium, hard. None where an item failed: it might have been right."""

    Params = ClassifyParams
    summary = "easy where all rollouts are right, hard where none is, else medium"
    facts = ("difficulty",)

    @staticmethod
    def list_formulas(params: ClassifyParams) -> Sequence[str]:
        return [params.value]

    def run(self, members: Members) -> Outcome:
        values, params = read(self.formulas[0], members), self.params
        short = params.short == "count"
        found = aggregate.classify(values, params.rollouts, params.threshold, count_short=short)
        return Outcome({"difficulty": found})


class FilterParams(Params):
    value: Formula | Annotated[list[Formula], Field(min_length=1, max_length=8)] = REWARD
    """What is averaged; of several, one mean between the bounds is enough."""
    low: float = 0.0
    """The mean must be above this."""
    high: float = 1.0
    """The mean must be below this."""


class Filter(Step[FilterParams]):
    """Whether a group has something to learn from. One in which no item was scored has not."""

    Params = FilterParams
    summary = "keep the groups whose mean lies between two bounds"
    facts = ("keep",)

    @staticmethod
    def list_formulas(params: FilterParams) -> Sequence[str]:
        return [params.value] if isinstance(params.value, str) else params.value

    def run(self, members: Members) -> Outcome:
        low, high = self.params.low, self.params.high
        keep = any(aggregate.keeps(read(formula, members), low, high) for formula in self.formulas)
        return Outcome({"keep": keep})
