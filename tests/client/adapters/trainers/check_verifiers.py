# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""verifiers: `Task.score` with our reward under its own decorator, and a trace of ours."""

import asyncio
from collections.abc import Mapping

import verifiers.v1 as vf
from material import BARE, DEAD, GOOD, LABEL, LOST, RECIPE, check, check_raises

from visreward.adapters.verifiers import build_reward


class Data(vf.TaskData):
    """A task's data with a packed label."""

    visreward: str


class Captioning(vf.Task):
    """A task with our reward."""

    visreward = vf.reward(build_reward(RECIPE))


class Unreachable(vf.Task):
    """The same with a service that is not there."""

    visreward = vf.reward(build_reward(RECIPE, url=DEAD, patience_seconds=0.2))


class Trace:
    """As much of a trace as scoring touches."""

    def __init__(self, last_reply: str) -> None:
        self.last_reply = last_reply
        self.rewards: dict[str, float] = {}
        self.metrics: dict[str, float] = {}

    def record_reward(self, name: str, value: float, weight: float = 1.0) -> None:
        self.rewards[name] = value * weight

    def record_metrics(self, values: Mapping[str, float]) -> None:
        self.metrics.update(values)


def score(kind: type, label: str, text: str) -> Trace:
    trace = Trace(text)
    asyncio.run(kind(Data(visreward=label, prompt="Q"), vf.TaskConfig()).score(trace))
    return trace


good, bare = score(Captioning, LABEL, GOOD), score(Captioning, LABEL, BARE)
check("verifiers", good.rewards["visreward"], bare.rewards["visreward"])
assert set(good.metrics) == {"failed", "clip", "clip_applies"}
check_raises("poisoned", lambda: score(Captioning, LOST, GOOD))
check_raises("dead service", lambda: score(Unreachable, LABEL, GOOD))
