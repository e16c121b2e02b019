# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""ms-swift: its `compute_rewards_per_func` over samples, with our rewards out of its `orms`."""

from typing import Any

import torch
from material import (
    CUT,
    GOOD,
    MISSING,
    RECIPE,
    check,
    check_gone,
    check_raises,
    picture,
    spoilt_picture,
)
from swift.rewards import orms
from swift.rl_core.data import GRPOSample
from swift.rl_core.grpo_algorithm import compute_rewards_per_func

from visreward.adapters.ms_swift import register


def sample(image: Any, text: str) -> Any:
    messages = [{"role": "user", "content": "<image>Q"}, {"role": "assistant", "content": text}]
    row = {"messages": messages, "images": [image], "prompt_id": "p", "response_token_ids": [[1, 2]]}
    return GRPOSample.from_row(row)


def score(name: str, image: Any = None) -> list[float]:
    """Return the rewards of two samples; `image` is the second one's."""
    samples = [sample(one, text) for one, text in ((picture(), GOOD), (image or picture(), CUT))]
    rewards = compute_rewards_per_func(samples, [orms[name](args=None)], [None], torch.device("cpu"))
    return [float(reward) for reward in rewards[:, 0]]


def score_with(is_async: bool, settings: dict[str, Any]) -> list[float]:
    register("changed", recipe=RECIPE, is_async=is_async, **settings)
    return score("changed")


for is_async in (True, False):
    name = f"ms-swift, {'async' if is_async else 'sync'}"
    register(name, recipe=RECIPE, is_async=is_async)
    check(name, *score(name))
    check(f"{name}, another step", *score(name))
    check_raises(f"{name}, poisoned", lambda name=name: score(name, spoilt_picture()), MISSING)
    check_gone(lambda settings, is_async=is_async: score_with(is_async, settings))
register("standing", recipe=RECIPE, on_item_error=-2.0)
assert score("standing", spoilt_picture())[1] == -2.0
