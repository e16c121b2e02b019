# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""verl: its `RewardLoopManager` on Ray, with the managers naive, dapo and rate_limited."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
import verl
from material import COLUMNS, CUT, GOOD, LABEL, LOST, MISSING, RECIPE, check, check_gone, check_raises
from omegaconf import OmegaConf
from tensordict import TensorDict
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from verl import DataProto
from verl.experimental.reward_loop.reward_loop import RewardLoopManager

FOLDER = Path(sys.prefix) / "tokenizer"
LENGTH = 1024


def make_tokenizer() -> Any:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE({"<pad>": 0, **{one: place + 1 for place, one in enumerate(alphabet)}}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="<pad>")
    tokenizer.save_pretrained(FOLDER)
    return tokenizer


def make_config(manager: str, **settings: Any) -> Any:
    reward = OmegaConf.load(Path(verl.__file__).parent / "trainer/config/reward/reward.yaml")
    reward.num_workers = 1
    reward.reward_manager.name = manager
    reward.custom_reward_function = {
        "path": "pkg://visreward.adapters.verl",
        "name": "compute_score",
        "reward_kwargs": {"recipe": RECIPE, **settings},
    }
    model = {"path": str(FOLDER), "tokenizer_path": str(FOLDER), "trust_remote_code": False}
    return OmegaConf.create({"reward": reward, "actor_rollout_ref": {"model": model}, "data": {}})


def make_batch(tokenizer: Any, labels: list[str], texts: list[str]) -> Any:
    ids = [tokenizer(text)["input_ids"] for text in texts]
    responses = torch.tensor([one + [0] * (LENGTH - len(one)) for one in ids])
    attended = torch.tensor([[1, 1] + [1] * len(one) + [0] * (LENGTH - len(one)) for one in ids])
    tensors = {"prompts": torch.ones(len(ids), 2, dtype=torch.long), "responses": responses}
    return DataProto(
        batch=TensorDict({**tensors, "attention_mask": attended}, batch_size=len(ids)),
        non_tensor_batch={
            "data_source": np.array(["scenes"] * len(ids), dtype=object),
            "reward_model": np.array([{"ground_truth": label} for label in labels], dtype=object),
            "extra_info": np.array([{"index": place} for place in range(len(ids))], dtype=object),
        },
    )


def score(tokenizer: Any, manager: str, labels: list[str], **settings: Any) -> tuple[list[float], set[str]]:
    loop = RewardLoopManager(make_config(manager, **settings))
    answer = loop.compute_rm_score(make_batch(tokenizer, labels, [GOOD, CUT]))
    return answer.batch["rm_scores"].sum(dim=-1).tolist(), set(answer.non_tensor_batch)


ray.init(
    num_cpus=2,
    include_dashboard=False,
    runtime_env={
        "env_vars": {"PYTHONPATH": os.environ["PYTHONPATH"], "VISREWARD_URL": os.environ["VISREWARD_URL"]}
    },
)
tokenizer = make_tokenizer()
for manager in ("naive", "dapo", "rate_limited"):
    rewards, keys = score(tokenizer, manager, [LABEL, LABEL])
    check(f"verl {manager}", *rewards)
    assert keys >= COLUMNS
    rewards, _ = score(tokenizer, manager, [LABEL, LOST], on_item_error=-2.0)
    assert rewards[1] == -2.0
    # `rate_limited` makes 0.0 of what is raised, and then misses a key: nothing of it gets into a batch.
    kinds = ("KeyError",) if manager == "rate_limited" else MISSING
    check_raises(
        f"{manager}, poisoned", lambda manager=manager: score(tokenizer, manager, [LABEL, LOST]), kinds
    )
check_gone(lambda settings: score(tokenizer, "naive", [LABEL] * 2, **settings))
