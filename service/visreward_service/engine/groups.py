"""The groups of a request: who belongs together, the recipe's steps over them, and their summaries. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from visreward.protocol import GroupSummary, ItemResult
from visreward.protocol.statistics import summarise
from visreward_service.engine.combine import to_error
from visreward_service.engine.plan import Plan
from visreward_service.recipes.steps import Member
from visreward_service.scorers.base import Fault


def settle_groups(plan: Plan, items: Sequence[ItemResult]) -> tuple[list[ItemResult], list[GroupSummary]]:
    """Return the items as the recipe's steps leave them, and a summary of every group.

    Groups come in order of first appearance. An item that names none is a group of its own to the steps, and
    has no summary.
    """
    named, alone = _find_groups(plan)
    if not plan.recipe.steps:
        return list(items), [_summary(name, [items[i] for i in places], {}) for name, places in named.items()]
    members = [None if item.reward is None else Member(item.parts, item.reward) for item in items]
    settled = plan.recipe.settle(members, [*named.values(), *alone])
    after = [_apply(item, reward) for item, reward in zip(items, settled.rewards, strict=True)]
    summaries = [
        _summary(name, [after[place] for place in places], facts)
        for (name, places), facts in zip(named.items(), settled.facts)
    ]
    return after, summaries


def _find_groups(plan: Plan) -> tuple[dict[str, list[int]], list[list[int]]]:
    """Return the places of each named group's items, and those of items without a group."""
    named: dict[str, list[int]] = {}
    alone: list[list[int]] = []
    for place, planned in enumerate(plan.items):
        group = None if planned.entry.item is None else planned.entry.item.group
        if group is None:
            alone.append([place])
        else:
            named.setdefault(group, []).append(place)
    return named, alone


def _apply(item: ItemResult, reward: float | Fault | None) -> ItemResult:
    if isinstance(reward, Fault):
        return item.model_copy(update={"reward": None, "error": to_error(reward)})
    return item if reward == item.reward else item.model_copy(update={"reward": reward})


def _summary(group: str, items: Sequence[ItemResult], facts: Mapping[str, Any]) -> GroupSummary:
    return summarise(group, [item.reward for item in items], **facts)
