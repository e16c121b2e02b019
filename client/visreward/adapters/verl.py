"""verl: `compute_score` for `reward.custom_reward_function`.

verl calls it once per finished sample and hands over no prompt, no image and no length. It takes the
columns of a batch from its first sample, so every sample has the same keys; a key `reward` would clash with
its own.
"""

from collections.abc import Mapping
from typing import Any

from visreward.adapters.columns import to_columns
from visreward.adapters.labels import merge_labels
from visreward.adapters.session import open_session, reward_of
from visreward.adapters.settings import read_settings

PATIENCE_SECONDS = 120.0
"""The manager `rate_limited` turns 300 seconds into 0.0; a call may wait for a batch ahead of its own."""
VERL_OWN = frozenset({"reward_router_address", "reward_model_tokenizer"})
"""What verl itself adds to the keyword arguments."""


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    **settings: Any,
) -> dict[str, float]:
    """Return `score`, `failed`, and each part with its `<part>_applies`; all finite.

    A plain `async def`, as verl asks for. `settings` come from `reward_kwargs`: the fields of
    `RewardSettings`. Images, reference and the rest stand under `visreward` in `extra_info`, or packed in
    `ground_truth`. Raises RewardError, under `on_item_error="raise"` also for the item itself.
    """
    given = {name: value for name, value in settings.items() if name not in VERL_OWN}
    session = open_session(read_settings(given, patience_seconds=PATIENCE_SECONDS))
    item = merge_labels(ground_truth, extra_info)
    item.setdefault("source", str(data_source))
    result = await session.score_single({**item, "completion": solution_str})
    columns = to_columns(result.items[0], session.facts().parts)
    return {"score": reward_of(result), **columns}
