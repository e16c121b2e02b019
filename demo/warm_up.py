"""Supervised warm-up: next-token prediction on the texts of the split, the prompt left out of the loss."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import torch
from PIL import Image
from torch.nn.functional import cross_entropy

from demo.scenes import Split
from visreward_trainer.config import ModelConfig
from visreward_trainer.policy import Policy, load_policy

IGNORED = -100
KINDS = "mm_token_type_ids"
"""Which ids stand for images, where the processor says it."""


def warm_up(
    model: Path,
    split: Split,
    out: Path,
    *,
    steps: int,
    batch: int = 32,
    learning_rate: float = 2e-3,
    seed: int = 0,
    on_step: Callable[[int, float], None] = lambda _, __: None,
) -> Path:
    """Train a model's whole weights on a split's texts and write it to `out`."""
    torch.manual_seed(seed)
    policy = load_policy(ModelConfig(path=str(model), dtype="float32"))
    policy.model.train()
    optimizer = torch.optim.AdamW(policy.model.parameters(), lr=learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=learning_rate, total_steps=steps)
    draws = draw_batches(split, batch, seed)
    for step in range(steps):
        loss = compute_loss(policy, split, next(draws))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(policy.model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        on_step(step, loss.item())
    policy.model.save_pretrained(out)
    policy.processor.save_pretrained(out)
    return out


def draw_batches(split: Split, batch: int, seed: int) -> Iterator[list[dict[str, Any]]]:
    """Yield rows, shuffled anew for each pass, for ever."""
    random = Random(seed)
    rows = list(split.rows)
    batch = min(batch, len(rows))
    while True:
        random.shuffle(rows)
        for start in range(0, len(rows) - batch + 1, batch):
            yield rows[start : start + batch]


def compute_loss(policy: Policy, split: Split, rows: list[dict[str, Any]]) -> torch.Tensor:
    """Return the mean cross-entropy of the texts' tokens."""
    tokenizer = policy.processor.tokenizer
    prompts = [
        [{"role": "user", "content": [picture(split, row), {"type": "text", "text": row["question"]}]}]
        for row in rows
    ]
    inputs = policy.processor.apply_chat_template(
        prompts,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"padding": True},
    )
    texts = [row["warm_up"] + tokenizer.eos_token for row in rows]
    tokenizer.padding_side = "right"
    written = tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False)
    tokenizer.padding_side = "left"
    num_prompt = inputs["input_ids"].shape[1]
    ids = torch.cat([inputs["input_ids"], written["input_ids"]], dim=1)
    mask = torch.cat([inputs["attention_mask"], written["attention_mask"]], dim=1)
    given = {name: inputs[name] for name in ("pixel_values", "image_grid_thw")}
    if KINDS in inputs:
        given[KINDS] = torch.cat([inputs[KINDS], torch.zeros_like(written["input_ids"])], dim=1)
    logits = policy.model(input_ids=ids, attention_mask=mask, **given).logits
    targets = written["input_ids"].masked_fill(written["attention_mask"] == 0, IGNORED)
    return cross_entropy(
        logits[:, num_prompt - 1 : -1].flatten(0, 1), targets.flatten(), ignore_index=IGNORED
    )


def picture(split: Split, row: dict[str, Any]) -> dict[str, Any]:
    return {"type": "image", "image": Image.open(split.path.parent / row["images"][0]).convert("RGB")}
