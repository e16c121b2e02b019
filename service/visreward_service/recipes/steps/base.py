"""What a step of a recipe's `[group]` table is: something made of the items of one group together.

A step fills fields of the group's summary, and some change the rewards. It sees the values of the items that
were scored; an item that failed has no values, and is never taken for 0. What a group's summary looks like on
the wire is not known here.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from visreward.protocol.fields import Text
from visreward_service.recipes.expression import Expression
from visreward_service.scorers.base import Fault, Params

REWARD = "reward"
"""What an expression of a step calls the item's reward."""

Formula = Text
"""An expression over the terms and `reward`."""


@dataclass(frozen=True, slots=True)
class Member:
    """A scored item of a group."""

    parts: Mapping[str, float | None]
    reward: float

    def evaluate(self, formula: Expression) -> float:
        """Return the value of an expression for this item. Raise `Fault` where it has none."""
        return formula.evaluate({**self.parts, REWARD: self.reward})


Members = Sequence[Member | None]
"""The items of a group in the request's order; None stands for one that failed."""


def read(formula: Expression, members: Members) -> list[float | None]:
    """Return the value of an expression for each item, None where it has none."""
    return [_read_one(formula, member) for member in members]


def _read_one(formula: Expression, member: Member | None) -> float | None:
    if member is None:
        return None
    try:
        return member.evaluate(formula)
    except Fault:
        return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step makes of a group."""

    facts: Mapping[str, Any]
    """Fields of the group's summary; None where there is nothing to say."""
    rewards: Sequence[float | Fault | None] | None = None
    """New rewards in the items' order, None for those that failed before; None leaves all as they are."""


P = TypeVar("P", bound=Params)


class Step(ABC, Generic[P]):
    """One step, with its parameters checked and its expressions parsed."""

    Params: ClassVar[type[Params]]
    summary: ClassVar[str]
    facts: ClassVar[tuple[str, ...]]
    """Fields of the group's summary that the step fills."""

    def __init__(self, params: P, formulas: Sequence[Expression]) -> None:
        self.params = params
        self.formulas = formulas
        """What `list_formulas` names, parsed, in its order."""

    @staticmethod
    @abstractmethod
    def list_formulas(params: P) -> Sequence[str]:
        """Return the expressions among the parameters."""

    @property
    def changes_rewards(self) -> bool:
        """Whether the step gives rewards; the terms that it reads then enter the reward."""
        return False

    @property
    def reads_siblings(self) -> bool:
        """Whether an item's reward depends on the other items of its group."""
        return self.changes_rewards

    @property
    def whole_request(self) -> bool:
        """Whether it looks at all items of the request together, and not at each group alone."""
        return False

    @abstractmethod
    def run(self, members: Members) -> Outcome:
        """Return what the step makes of the items."""
