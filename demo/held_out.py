"""What a policy is worth on scenes that it was never trained on: the rewards of both stages, from the
service."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from transformers import set_seed

from visreward import RewardClient
from visreward_trainer.config import DataConfig, ModelConfig
from visreward_trainer.data import load_questions
from visreward_trainer.policy import load_policy
from visreward_trainer.prompt import Prompt
from visreward_trainer.rollouts.local import LocalSampler, holding
from visreward_trainer.rollouts.sampler import Ask, Sampling
from visreward_trainer.sample import messages_of

SAMPLES = 4
MAX_TOKENS = 24
"""A warmed-up policy writes some 17."""


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean over completions, and how far from it another choice of scenes would be."""

    value: float
    error: float
    """The standard error: of the scenes' own means, for completions of one scene are alike."""

    def __str__(self) -> str:
        return f"{self.value:.3f} ± {self.error:.3f}"


@dataclass(frozen=True, kw_only=True)
class Worth:
    """Means over all completions that were scored."""

    caption: Mean
    """The reward of PeBR-R1's perception stage."""
    accuracy: Mean
    """The share of right answers."""
    key_words: Mean
    num_completions: int
    num_failed: int
    """Completions without a score, in none of the means."""


def measure_worth(model: Path, questions: Path, *, url: str, seed: int = 0) -> Worth:
    """Draw completions at temperature 1, as in training, and have them scored by both recipes."""
    set_seed(seed)
    policy = load_policy(ModelConfig(path=str(model), dtype="float32"))
    asked = load_questions(DataConfig(path=questions), Prompt(template="{question}"))
    sampler = LocalSampler(
        processor=policy.processor,
        sampling=Sampling(temperature=1.0, top_p=1.0, max_tokens=MAX_TOKENS, banned_ids=policy.banned_ids),
        groups_at_once=16,
        unwrap=lambda: holding(policy.model),
    )
    asks = [Ask(row=row, messages=messages_of(asked, row), num=SAMPLES) for row in asked.rows["row"]]
    with torch.no_grad():
        drawn = sampler.sample(asks, lambda _, __: None)
    items: list[dict[str, Any]] = [
        {
            "group": str(ask.row),
            "images": asked.images_of(ask.row),
            "prompt": asked.known[ask.row].text,
            "completion": one.text,
            "completion_tokens": len(one.ids),
            "reference": asked.known[ask.row].reference,
        }
        for ask, group in zip(asks, drawn, strict=True)
        for one in group
    ]
    with RewardClient(url=url) as client:
        result = client.score(items, recipe="pebr-r1/stage1", on_item_error="mask")
    scored = [one for one in zip(items, result.items, strict=True) if one[1].reward is not None]
    groups = [item["group"] for item, _ in scored]
    return Worth(
        caption=mean(groups, [one.reward for _, one in scored]),
        accuracy=mean(groups, [one.parts.get("accuracy") for _, one in scored]),
        key_words=mean(groups, [one.parts.get("key_word") for _, one in scored]),
        num_completions=len(scored),
        num_failed=len(result.failed),
    )


def mean(groups: Sequence[str], values: Sequence[float | None]) -> Mean:
    """Return the mean of the values that are there, each of the group at its place."""
    of_group = defaultdict(list)
    for group, value in zip(groups, values, strict=True):
        if value is not None:
            of_group[group].append(value)
    means = [fmean(known) for known in of_group.values()]
    everything = [value for known in of_group.values() for value in known]
    return Mean(value=fmean(everything), error=stdev(means) / len(means) ** 0.5)
