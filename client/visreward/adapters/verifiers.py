"""verifiers (and prime-rl, which uses it): a task's reward.

    class Captioning(vf.Task):
        visreward = vf.reward(build_reward("pebr-r1/stage1"))

verifiers scores one trace at a time, turns what is raised into an error of the trace, and prime-rl leaves
such a trace out of its group.
"""

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from visreward.adapters.columns import to_columns
from visreward.adapters.labels import MARK, merge_labels
from visreward.adapters.session import open_session, reward_of
from visreward.adapters.settings import read_settings

PATIENCE_SECONDS = 240.0

TaskReward: TypeAlias = Callable[[Any, Any, Any], Coroutine[Any, Any, float]]


def build_reward(recipe: str | None = None, **settings: Any) -> TaskReward:
    """Return a method for a `Task`, to be marked with `vf.reward`; settings are those of `RewardSettings`.

    The task's data carries a packed label in a field `visreward`, or the gold answer in a field `answer`.
    The last reply is the completion. Parts are recorded as the trace's metrics.
    """
    chosen = read_settings({"recipe": recipe, **settings}, patience_seconds=PATIENCE_SECONDS)

    async def visreward(self: Any, task: Any, trace: Any) -> float:
        """Return the reward of a trace, finite; raise RewardError where there is none."""
        del self
        session = open_session(chosen)
        result = await session.score_single(_read_trace(task, trace))
        trace.record_metrics(to_columns(result.items[0], session.facts().parts))
        return reward_of(result)

    return visreward


def _read_trace(task: Any, trace: Any) -> dict[str, Any]:
    item = merge_labels(getattr(task, "answer", None), {MARK: getattr(task, MARK, None)})
    prompt = getattr(task, "prompt_text", None)
    if isinstance(prompt, str):
        item.setdefault("prompt", prompt)
    tokens = getattr(trace, "num_output_tokens", None)
    if isinstance(tokens, int):
        item["completion_tokens"] = tokens
    return {**item, "completion": trace.last_reply}
