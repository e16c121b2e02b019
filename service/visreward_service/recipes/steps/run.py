"""Runs the steps of a recipe over the items of a request, group by group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from visreward.protocol import Code
from visreward_service.recipes.steps.base import Member, Members, Outcome, Step
from visreward_service.scorers.base import Fault

Steps = Sequence[Step[Any]]


@dataclass(frozen=True, slots=True)
class Settled:
    """What a recipe's steps have made of all items."""

    rewards: tuple[float | Fault | None, ...]
    """By item: its reward, why it has none after all, or None where it had none before."""
    facts: tuple[Mapping[str, Any], ...]
    """By group: fields of its summary."""


@dataclass(slots=True)
class _State:
    members: list[Member | None]
    faults: dict[int, Fault] = field(default_factory=dict)

    def take(self, places: Sequence[int], rewards: Sequence[float | Fault | None]) -> None:
        for place, reward in zip(places, rewards, strict=True):
            member = self.members[place]
            if member is None or reward is None:
                continue
            if isinstance(reward, Fault) or not isfinite(reward):
                self.members[place] = None
                self.faults[place] = reward if isinstance(reward, Fault) else _beyond()
            else:
                self.members[place] = Member(member.parts, reward)


def _beyond() -> Fault:
    return Fault(Code.NOT_FINITE, "a step of the group gave no finite number")


def run_steps(steps: Steps, members: Members, groups: Sequence[Sequence[int]]) -> Settled:
    """Run steps over items. `groups` holds the places of each group's items, each item in one group."""
    state = _State(list(members))
    facts: list[dict[str, Any]] = [{} for _ in groups]
    for step in steps:
        if step.whole_request:
            outcome = _run(step, state, range(len(members)))
            for known in facts:
                known.update(outcome.facts)
            continue
        for known, places in zip(facts, groups, strict=True):
            known.update(_run(step, state, places).facts)
    rewards = (None if member is None else member.reward for member in state.members)
    return Settled(
        tuple(state.faults.get(place, reward) for place, reward in enumerate(rewards)), tuple(facts)
    )


def _run(step: Step[Any], state: _State, places: Sequence[int]) -> Outcome:
    outcome = step.run([state.members[place] for place in places])
    if outcome.rewards is not None:
        state.take(places, outcome.rewards)
    return outcome
