"""Supervised warm-up: next-token prediction on a split's texts, the prompt left out of the loss.

Pictures and texts are made ready once, since the same scenes come again in every pass.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import cross_entropy

from demo.scenes import Split
from visreward_trainer.config import ModelConfig
from visreward_trainer.policy import Policy, load_policy

IGNORED = -100
KINDS = "mm_token_type_ids"
"""Which ids stand for images, where the processor says it."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A part of the warm-up."""

    text: str
    """The field of a row that holds what is to be written."""
    steps: int
    learning_rate: float
    """The highest of its schedule, for embeddings and scales."""
    matrix_rate: float
    """Likewise, for the matrices between them."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A question with its picture, and texts that may follow it, in ids."""

    prompt: list[int]
    kinds: list[int]
    pixels: Tensor
    grid: Tensor
    texts: dict[str, list[int]]


def warm_up(
    model: Path,
    split: Split,
    out: Path,
    *,
    lessons: Sequence[Lesson],
    batch: int = 32,
    seed: int = 0,
    on_step: Callable[[str, int, float], None] = lambda _, __, ___: None,
) -> Path:
    """Train a model's whole weights on a split's texts, lesson by lesson, and write it to `out`.

    `on_step` is told the lesson's text, the step and its loss.
    """
    torch.manual_seed(seed)
    policy = load_policy(ModelConfig(path=str(model), dtype="float32"))
    policy.model.train()
    texts = [lesson.text for lesson in lessons]
    examples = [read_example(policy, split, row, texts) for row in split.rows]
    draws = draw_batches(examples, batch, seed)
    for lesson in lessons:
        take(policy, lesson, draws, on_step)
    policy.model.save_pretrained(out)
    policy.processor.save_pretrained(out)
    return out


def take(
    policy: Policy,
    lesson: Lesson,
    draws: Iterator[list[Example]],
    on_step: Callable[[str, int, float], None],
) -> None:
    """Train on the texts of one lesson."""
    optimizers = build_optimizers(policy.model, lesson)
    schedules = [
        torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=optimizer.param_groups[0]["lr"],
            total_steps=lesson.steps,
            pct_start=0.1,
            div_factor=10,
            cycle_momentum=False,
        )
        for optimizer in optimizers
    ]
    for step in range(lesson.steps):
        loss = compute_loss(policy, next(draws), lesson.text)
        policy.model.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(policy.model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
        on_step(lesson.text, step, loss.item())


def build_optimizers(model: Any, lesson: Lesson) -> tuple[torch.optim.Optimizer, ...]:
    """Return Muon for the matrices between embeddings and logits, and AdamW for everything else.

    With Muon (PyTorch 2.9) the policy sees after half as many steps.
    """
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, weight in model.named_parameters():
        inner = weight.ndim == 2 and "embed" not in name and "lm_head" not in name
        (matrices if inner else others).append(weight)
    return (
        torch.optim.Muon(matrices, lr=lesson.matrix_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=lesson.learning_rate, betas=(0.9, 0.98), weight_decay=0.01),
    )


def read_example(policy: Policy, split: Split, row: dict[str, Any], texts: Sequence[str]) -> Example:
    picture = Image.open(split.path.parent / row["images"][0]).convert("RGB")
    content = [{"type": "image", "image": picture}, {"type": "text", "text": row["question"]}]
    inputs = policy.processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    [prompt] = inputs["input_ids"].tolist()
    tokenizer = policy.processor.tokenizer
    return Example(
        prompt=prompt,
        kinds=inputs[KINDS][0].tolist() if KINDS in inputs else [],
        pixels=inputs["pixel_values"],
        grid=inputs["image_grid_thw"],
        texts={
            text: tokenizer(row[text] + tokenizer.eos_token, add_special_tokens=False)["input_ids"]
            for text in texts
        },
    )


def draw_batches(examples: Sequence[Example], batch: int, seed: int) -> Iterator[list[Example]]:
    """Yield examples, shuffled anew for each pass, for ever."""
    random = Random(seed)
    drawn = list(examples)
    batch = min(batch, len(drawn))
    while True:
        random.shuffle(drawn)
        for start in range(0, len(drawn) - batch + 1, batch):
            yield drawn[start : start + batch]


def compute_loss(policy: Policy, examples: Sequence[Example], text: str) -> Tensor:
    """Return the mean cross-entropy of the texts' tokens."""
    longest = max(len(example.prompt) for example in examples)
    width = longest + max(len(example.texts[text]) for example in examples)
    ids = torch.full((len(examples), width), policy.processor.tokenizer.pad_token_id)
    mask, kinds = torch.zeros_like(ids), torch.zeros_like(ids)
    targets = torch.full_like(ids, IGNORED)
    for row, example in enumerate(examples):
        start, end = longest - len(example.prompt), longest + len(example.texts[text])
        ids[row, start:end] = torch.tensor(example.prompt + example.texts[text])
        targets[row, longest:end] = ids[row, longest:end]
        kinds[row, start : start + len(example.kinds)] = torch.tensor(example.kinds, dtype=torch.long)
        mask[row, start:end] = 1
    logits = policy.model(
        input_ids=ids,
        attention_mask=mask,
        pixel_values=torch.cat([example.pixels for example in examples]),
        image_grid_thw=torch.cat([example.grid for example in examples]),
        **({KINDS: kinds} if examples[0].kinds else {}),
    ).logits
    return cross_entropy(
        logits[:, longest - 1 : -1].flatten(0, 1), targets[:, longest:].flatten(), ignore_index=IGNORED
    )
