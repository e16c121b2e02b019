# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""verifiers: `Task.score` with our reward under its own decorator, and a trace of ours."""

import asyncio
from collections.abc import Mapping

import verifiers.v1 as vf
from material import COLUMNS, CUT, GOOD, LABEL, LOST, MISSING, RECIPE, check, check_gone, check_raises

from visreward.adapters.verifiers import build_reward


class Data(vf.TaskData):
    """A task's data with a packed label."""

    visreward: str


def make_task(**settings: object) -> type[vf.Task]:
    """Return a task with our reward."""
    reward = vf.reward(build_reward(RECIPE, **settings))
    return type("Captioning", (vf.Task,), {"visreward": reward})


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


def score(label: str, text: str, **settings: object) -> Trace:
    trace = Trace(text)
    task = make_task(**settings)(Data(visreward=label, prompt="Q"), vf.TaskConfig())
    asyncio.run(task.score(trace))
    return trace


good, cut = score(LABEL, GOOD), score(LABEL, CUT)
check("verifiers", good.rewards["visreward"], cut.rewards["visreward"])
assert set(good.metrics) == COLUMNS
assert good.metrics["clip"] == good.rewards["visreward"]
check_raises("poisoned", lambda: score(LOST, GOOD), MISSING)
stood = score(LOST, GOOD, on_item_error=-2.0)
assert (stood.rewards["visreward"], stood.metrics["failed"]) == (-2.0, 1.0)
check_gone(lambda settings: score(LABEL, GOOD, **settings))
