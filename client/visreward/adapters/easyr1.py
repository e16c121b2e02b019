"""EasyR1: `compute_score` for `worker.reward.reward_function=FILE.py:compute_score`.

EasyR1 hands over the whole step in one call: completions, their lengths in tokens, and `ground_truth`, a
text. Prompt and images travel packed in it. A list that is too short would leave 0 for the rest of a step.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from visreward.adapters.columns import to_columns
from visreward.adapters.labels import read_label
from visreward.adapters.session import open_session, reward_of
from visreward.adapters.settings import read_settings

REWARD_NAME = "visreward"
REWARD_TYPE = "batch"

PATIENCE_SECONDS = 1500.0


def compute_score(reward_inputs: Sequence[Mapping[str, Any]], **settings: Any) -> list[dict[str, float]]:
    """Return for each input `overall`, `failed`, and each part with its `<part>_applies`; all finite.

    `settings` come from `worker.reward.reward_function_kwargs`: the fields of `RewardSettings`.
    """
    session = open_session(read_settings(settings, patience_seconds=PATIENCE_SECONDS))
    if not reward_inputs:
        return []
    items = [
        {
            **read_label(one["ground_truth"]),
            "completion": one["response"],
            "completion_tokens": int(one["response_length"]),
        }
        for one in reward_inputs
    ]
    result = session.score(items, whole_groups=True)
    parts = session.facts().parts
    return [
        {"overall": reward_of(result, place), **to_columns(item, parts)}
        for place, item in enumerate(result.items)
    ]
