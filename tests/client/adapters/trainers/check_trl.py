# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""TRL: its own recognition of our reward, and the reward computation of its trainer, without a model."""

from types import SimpleNamespace
from typing import Any

import torch
from material import CUT, GOOD, MISSING, RECIPE, check, check_gone, check_raises, picture, spoilt_picture
from trl import GRPOTrainer
from trl.trainer.utils import get_callable_name, is_async_callable, start_event_loop_in_daemon

from visreward.adapters.trl import AsyncTrlReward, TrlReward

METRICS = {"parts/clip", "reward_service/failed_items", "reward_service/tied_groups"}


def score(reward: TrlReward, image: Any = None) -> tuple[list[float], dict[str, Any]]:
    """Return rewards and logs of two samples of one prompt; `image` stands in the second one's column."""
    inputs = [{"image": picture()}, {"image": image or picture()}]
    completions = [[{"role": "assistant", "content": text}] for text in (GOOD, CUT)]
    logs: dict[str, Any] = {}
    trainer = SimpleNamespace(
        accelerator=SimpleNamespace(device=torch.device("cpu"), is_main_process=True),
        args=SimpleNamespace(report_to=[]),
        state=SimpleNamespace(global_step=0),
        environments=None,
        reward_funcs=[reward],
        reward_processing_classes=[None],
        reward_func_names=[RECIPE],
        async_loop=start_event_loop_in_daemon(name="rewards")[1],
        _log_completion_extra=logs.__setitem__,
        _log_metric=logs.__setitem__,
    )
    prompts = [[{"role": "user", "content": "Q"}]] * 2
    compute = GRPOTrainer._calculate_rewards.__wrapped__
    rewards = compute(trainer, inputs, prompts, completions, [[1, 2]] * 2)
    return rewards[:, 0].tolist(), logs


assert get_callable_name(TrlReward(RECIPE)) == RECIPE
for name, kind in (("trl", TrlReward), ("trl, async", AsyncTrlReward)):
    assert is_async_callable(kind(RECIPE)) == (kind is AsyncTrlReward)
    rewards, logs = score(kind(RECIPE))
    check(name, *rewards)
    assert set(logs) >= METRICS
    check("  its part", *logs["clip"])
    check_raises(f"{name}, poisoned", lambda kind=kind: score(kind(RECIPE), spoilt_picture()), MISSING)
    masked, logs = score(kind(RECIPE, on_item_error="mask"), spoilt_picture())
    assert torch.isnan(torch.tensor(masked)).tolist() == [False, True]
    assert logs["reward_service/failed_items"] == 1.0
    check_gone(lambda settings, kind=kind: score(kind(RECIPE, **settings)))
