# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""TRL: its own recognition of our reward, and the reward computation of its trainer, without a model."""

from types import SimpleNamespace

import torch
from material import BARE, GOOD, LABEL, LOST, RECIPE, check, check_raises
from trl import GRPOTrainer
from trl.trainer.utils import get_callable_name, is_async_callable

from visreward.adapters.trl import TrlReward

reward = TrlReward(RECIPE)
assert get_callable_name(reward) == RECIPE
assert not is_async_callable(reward)


def score(reward: TrlReward, label: str) -> list[float]:
    inputs = [{"visreward": one} for one in (LABEL, label)]
    completions = [[{"role": "assistant", "content": text}] for text in (GOOD, BARE)]
    logs: dict[str, list[float]] = {}
    trainer = SimpleNamespace(
        accelerator=SimpleNamespace(device=torch.device("cpu")),
        state=None,
        environments=None,
        reward_funcs=[reward],
        reward_processing_classes=[None],
        reward_func_names=[RECIPE],
        _log_completion_extra=lambda column, values: logs.update({column: values}),
        _log_metric=lambda name, value: logs.update({name: [value]}),
    )
    prompts = [[{"role": "user", "content": "Q"}]] * 2
    compute = GRPOTrainer._calculate_rewards.__wrapped__
    rewards = compute(trainer, inputs, prompts, completions, [[1, 2]] * 2)
    assert logs["parts/clip"]
    return [float(one) for one in rewards[:, 0]]


check("trl", *score(reward, LABEL))
assert torch.isnan(torch.tensor(score(TrlReward(RECIPE, on_item_error="mask"), LOST)[1]))
check_raises("poisoned", lambda: score(reward, LOST))
