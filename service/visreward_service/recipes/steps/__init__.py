"""Steps over the items of a group, by the name that they have in a recipe's `[group]` table.

They run in the order in which they are written, and `reward` is what the steps before have made of it.
"""

from typing import Any

from visreward_service.recipes.steps.base import REWARD, Member, Step
from visreward_service.recipes.steps.counts import Classify, Filter, PassRate
from visreward_service.recipes.steps.run import Settled, Steps, run_steps
from visreward_service.recipes.steps.scales import Gate, Tame, Weigh

STEPS: dict[str, type[Step[Any]]] = {
    "classify": Classify,
    "filter": Filter,
    "gate": Gate,
    "pass_rate": PassRate,
    "tame": Tame,
    "weigh": Weigh,
}

__all__ = ["REWARD", "STEPS", "Member", "Settled", "Step", "Steps", "run_steps"]
