# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""EasyR1: its `AutoRewardManager` with our file."""

from typing import Any

import numpy as np
import torch
from material import (
    CUT,
    GOOD,
    LABEL,
    LOST,
    MISSING,
    RECIPE,
    check,
    check_gone,
    check_raises,
    register_bare,
)
from tensordict import TensorDict

register_bare("verl", "verl.workers", "verl.utils")
from verl.protocol import DataProto  # noqa: E402
from verl.workers.reward.config import RewardConfig  # noqa: E402
from verl.workers.reward.function import AutoRewardManager  # noqa: E402

from visreward.adapters import easyr1  # noqa: E402


class Tokenizer:
    """Characters as tokens."""

    def decode(self, ids: Any, **options: Any) -> str:
        return "".join(chr(one) for one in ids.tolist())


def score(labels: list[str], **settings: Any) -> tuple[list[float], dict[str, list[float]]]:
    config = RewardConfig(
        reward_function=f"{easyr1.__file__}:compute_score",
        reward_function_kwargs={"recipe": RECIPE, **settings},
    )
    config.post_init()
    length = max(map(len, (GOOD, CUT)))
    texts = [GOOD, CUT]
    responses = torch.tensor([[*map(ord, text), *[0] * (length - len(text))] for text in texts])
    mask = torch.tensor([[1] * len(text) + [0] * (length - len(text)) for text in texts])
    data = DataProto(
        batch=TensorDict({"responses": responses, "response_mask": mask}, batch_size=2),
        non_tensor_batch={"ground_truth": np.array(labels, dtype=object)},
    )
    rewards, metrics = AutoRewardManager(config, Tokenizer()).compute_reward(data)
    return rewards.sum(dim=-1).tolist(), metrics


rewards, metrics = score([LABEL, LABEL])
check("easyr1", *rewards)
assert list(metrics) == ["overall", "failed", "clip", "clip_applies"]
assert metrics["clip"] == metrics["overall"]
check_raises("poisoned", lambda: score([LABEL, LOST]), MISSING)
rewards, metrics = score([LABEL, LOST], on_item_error=-2.0)
assert (rewards[1], metrics["failed"]) == (-2.0, [0.0, 1.0])
check_gone(lambda settings: score([LABEL, LABEL], **settings))
