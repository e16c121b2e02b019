# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""NeMo-RL: `create_env` and `calculate_rewards` with our actor on Ray; its loggers are a stand-in."""

import os
import sys
from types import ModuleType
from typing import Any

import ray
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

PACKAGES = ("algorithms", "experience", "models", "models.generation", "utils")
register_bare("nemo_rl", *(f"nemo_rl.{name}" for name in PACKAGES))
# It imports every tracker there is.
loggers = ModuleType("nemo_rl.utils.logger")
loggers.Logger = object
sys.modules[loggers.__name__] = loggers
from nemo_rl.distributed.batched_data_dict import BatchedDataDict  # noqa: E402
from nemo_rl.environments.utils import create_env  # noqa: E402
from nemo_rl.experience.rollouts import calculate_rewards  # noqa: E402

from visreward.adapters.nemo_rl import register  # noqa: E402


def make_log(text: str) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": "Q", "token_ids": torch.tensor([1])},
        {"role": "assistant", "content": text + "<|im_end|>", "token_ids": torch.tensor([2, 3])},
    ]


def score(labels: list[str], **settings: Any) -> list[float]:
    environment = create_env("visreward", {"recipe": RECIPE, **settings})
    batch = BatchedDataDict(
        message_log=[make_log(text) for text in (GOOD, CUT)],
        task_name=["visreward"] * 2,
        extra_env_info=[{"ground_truth": label} for label in labels],
    )
    try:
        answer = calculate_rewards(batch, {"visreward": environment})
    finally:
        ray.kill(environment)
    assert answer.terminateds.all()
    return answer.rewards.tolist()


ray.init(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": dict(os.environ)})
register()
check("nemo-rl", *score([LABEL, LABEL]))
check_raises("poisoned", lambda: score([LABEL, LOST]), MISSING)
assert score([LABEL, LOST], on_item_error=-2.0)[1] == -2.0
check_gone(lambda settings: score([LABEL, LABEL], **settings))
