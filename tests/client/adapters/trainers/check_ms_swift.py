# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""ms-swift: its `compute_rewards_per_func` over samples, with our rewards out of its `orms`."""

from typing import Any

import torch
from material import BARE, DEAD, GOOD, LABEL, LOST, RECIPE, check, check_raises
from swift.rewards import orms
from swift.rl_core.data import GRPOSample
from swift.rl_core.grpo_algorithm import compute_rewards_per_func

from visreward.adapters.ms_swift import register


def sample(label: str, text: str) -> Any:
    messages = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": text}]
    row = {"messages": messages, "visreward": label, "prompt_id": "p", "response_token_ids": [[1, 2]]}
    return GRPOSample.from_row(row)


def score(name: str, labels: list[str]) -> list[float]:
    samples = [sample(label, text) for label, text in zip(labels, (GOOD, BARE))]
    rewards = compute_rewards_per_func(samples, [orms[name](args=None)], [None], torch.device("cpu"))
    return [float(reward) for reward in rewards[:, 0]]


register("ours", recipe=RECIPE)
register("ours-sync", recipe=RECIPE, is_async=False)
register("ours-dead", recipe=RECIPE, url=DEAD, patience_seconds=0.2)
check("ms-swift async", *score("ours", [LABEL, LABEL]))
check("ms-swift async, another step", *score("ours", [LABEL, LABEL]))
check("ms-swift sync", *score("ours-sync", [LABEL, LABEL]))
check_raises("poisoned", lambda: score("ours", [LABEL, LOST]))
check_raises("dead service", lambda: score("ours-dead", [LABEL, LABEL]))
