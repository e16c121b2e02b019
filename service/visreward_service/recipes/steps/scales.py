"""Steps that change rewards, or say by what the trainer is to scale them: gates, weights, tamed sums."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from visreward.protocol import Code
from visreward_service.recipes.steps import aggregate
from visreward_service.recipes.steps.base import Formula, Member, Members, Outcome, Step, read
from visreward_service.scorers.base import Fault, Params


class GateParams(Params):
    value: Formula
    """The share of right perception answers."""
    cap: Annotated[float, Field(gt=0.0)] = 0.5
    """Largest scale."""
    apply: Literal["report", "rewards"] = "report"
    """Leave the scale to the trainer, which multiplies the advantages; or multiply the rewards by it."""


class Gate(Step[GateParams]):
    """PEARL's fidelity gate: shut where nothing was seen right, else a scale: the mean, up to a cap."""

    Params = GateParams
    summary = "shut where the group's mean is 0; scale advantages, or rewards, by the mean up to a cap"
    facts = ("gate", "scale")

    @staticmethod
    def list_formulas(params: GateParams) -> Sequence[str]:
        return [params.value]

    @property
    def changes_rewards(self) -> bool:
        return self.params.apply == "rewards"

    def run(self, members: Members) -> Outcome:
        found = aggregate.gate(read(self.formulas[0], members), self.params.cap)
        facts = {"gate": None, "scale": None} if found is None else {"gate": found.open, "scale": found.scale}
        if not self.changes_rewards:
            return Outcome(facts)
        if found is None:
            fault = Fault(Code.NOT_APPLICABLE, f"no item of the group has a value of {self.params.value}")
            return Outcome(facts, [None if member is None else fault for member in members])
        return Outcome(facts, [None if member is None else member.reward * found.scale for member in members])


class WeighParams(Params):
    weight: Formula
    """What each item's reward is multiplied by."""


class Weigh(Step[WeighParams]):
    """Multiply rewards by the weight of their question: RewardMap's difficulty."""

    Params = WeighParams
    summary = "multiply each reward by a weight; the summary has it where the group's items agree"
    facts = ("weight",)

    @staticmethod
    def list_formulas(params: WeighParams) -> Sequence[str]:
        return [params.weight]

    @property
    def changes_rewards(self) -> bool:
        return True

    @property
    def reads_siblings(self) -> bool:
        """A weight is the item's own."""
        return False

    def run(self, members: Members) -> Outcome:
        weights = {weight for weight in read(self.formulas[0], members) if weight is not None}
        rewards = [None if member is None else self._weigh(member) for member in members]
        return Outcome({"weight": weights.pop() if len(weights) == 1 else None}, rewards)

    def _weigh(self, member: Member) -> float | Fault:
        try:
            return member.evaluate(self.formulas[0]) * member.reward
        except Fault as fault:
            return fault


class TameParams(Params):
    weights: Annotated[dict[Formula, float], Field(min_length=1, max_length=32)]
    """Weight of each component: a term, or an expression over terms."""
    threshold: aggregate.Threshold = "mean"
    """A component that varies more than this is tamed: the mean or median of the variations, or a number."""
    over: Literal["group", "request"] = "group"
    """Whose items the variation is measured over; with `request`, rewards depend on what is sent together."""


class Tame(Step[TameParams]):
    """PaCo-RL's log-tamed sum in the place of the reward."""

    Params = TameParams
    summary = "the weighted sum of components, those that vary most as log(1 + R), in the place of the reward"
    facts = ("tamed",)

    @staticmethod
    def list_formulas(params: TameParams) -> Sequence[str]:
        return list(params.weights)

    @property
    def changes_rewards(self) -> bool:
        return True

    @property
    def whole_request(self) -> bool:
        return self.params.over == "request"

    def run(self, members: Members) -> Outcome:
        columns = {
            name: read(formula, members)
            for name, formula in zip(self.params.weights, self.formulas, strict=True)
        }
        found = aggregate.tame(columns, self.params.weights, self.params.threshold)
        fault = Fault(
            Code.NOT_APPLICABLE, "a component has no value, or one of -1 or less without a logarithm"
        )
        rewards = [
            None if member is None else fault if total is None else total
            for member, total in zip(members, found.totals, strict=True)
        ]
        return Outcome({"tamed": list(found.names)}, rewards)
