"""The policy: a vision-language model with its processor, as a config asks for them.

It owns loading, what is trained of the model, and the tokens that must never be sampled. It knows no data
and no reward.
"""

# The schemas come before everything that loads transformers.
from visreward import torchvision_schemas  # noqa: F401

# isort: split
import re
from dataclasses import dataclass
from typing import Any

import peft
import torch
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

from visreward_trainer.config import LoraConfig, ModelConfig
from visreward_trainer.errors import ConfigError

VISION_MARK = re.compile(r"[<\[].*(image|video|vision).*[>\]]", re.IGNORECASE)
"""A placeholder stands in brackets; ordinary text that is one token, such as a heading, does not."""
VISION_IDS = (
    "image_token_id",
    "image_token_index",
    "video_token_id",
    "vision_start_token_id",
    "vision_end_token_id",
)
LANGUAGE_MODEL = "language_model"


@dataclass(frozen=True, slots=True)
class Policy:
    model: Any
    """A transformers model, not yet wrapped in an adapter."""
    processor: Any
    banned_ids: tuple[int, ...]
    """Placeholders of images and videos: one sampled is an image token without its image, and ends the
    run."""


def load_policy(config: ModelConfig) -> Policy:
    """Load model and processor; raise `ConfigError` where they are not there or do not fit the config."""
    processor, banned_ids = load_processor(config)
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            config.path, revision=config.revision, dtype=weight_dtype(config)
        )
    except (OSError, ValueError) as error:
        raise ConfigError(f"model.path: {config.path} cannot be loaded: {error}") from error
    if config.freeze_vision:
        freeze_vision(model)
    return Policy(model, processor, banned_ids)


def load_processor(config: ModelConfig) -> tuple[Any, tuple[int, ...]]:
    """Load the processor alone, and find the ids that must not be sampled; errors are those of
    `load_policy`."""
    try:
        processor = AutoProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            config.path, revision=config.revision, padding_side="left", **pixel_bounds(config)
        )
        numbers = AutoConfig.from_pretrained(config.path, revision=config.revision)
    except (OSError, ValueError) as error:
        raise ConfigError(f"model.path: {config.path} cannot be loaded: {error}") from error
    if not hasattr(processor, "tokenizer"):
        raise ConfigError(f"model.path: {config.path} has a tokenizer and no processor of images")
    check_pixel_bounds(config, processor)
    return processor, find_banned_ids(numbers, processor)


def weight_dtype(config: ModelConfig) -> str:
    """Return what the weights are kept in: trained ones in float32, whatever the passes compute in, since
    steps of 1e-6 are lost in less."""
    return "float32" if config.tuning == "full" else config.dtype


def pixel_bounds(config: ModelConfig) -> dict[str, int]:
    named = {"min_pixels": config.min_pixels, "max_pixels": config.max_pixels}
    return {name: pixels for name, pixels in named.items() if pixels is not None}


def check_pixel_bounds(config: ModelConfig, processor: Any) -> None:
    """Refuse bounds that the processor passes over."""
    size = processor.image_processor.size or {}
    for name, edge in (("min_pixels", "shortest_edge"), ("max_pixels", "longest_edge")):
        wanted = getattr(config, name)
        if wanted is not None and size.get(edge) != wanted:
            raise ConfigError(
                f"model.{name}: {type(processor.image_processor).__name__} knows no such bound; leave it out"
            )


def freeze_vision(model: Any) -> None:
    """Leave every weight outside the language model and the head as it is."""
    for name, weight in model.named_parameters():
        if LANGUAGE_MODEL not in name and "lm_head" not in name:
            weight.requires_grad_(False)


def find_banned_ids(config: Any, processor: Any) -> tuple[int, ...]:
    """Return the ids of all placeholders of images and videos, those of the model's config and those of the
    tokenizer."""
    named = [getattr(config, name, None) for name in VISION_IDS]
    special = processor.tokenizer.get_added_vocab()
    spoken = [number for token, number in special.items() if VISION_MARK.fullmatch(token)]
    return tuple(sorted({*spoken, *(number for number in named if isinstance(number, int) and number >= 0)}))


def build_lora(model: Any, config: LoraConfig) -> peft.LoraConfig:
    """Return the adapter's config.

    Raises `ConfigError` where its modules match nothing, or reach outside the language model: vLLM leaves
    such weights out with no more than a warning.
    """
    names = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    matched = [name for name in names if re.fullmatch(config.target_modules, name)]
    outside = [name for name in matched if LANGUAGE_MODEL not in name]
    if not matched:
        raise ConfigError("lora.target_modules matches no linear layer of the model")
    if outside:
        raise ConfigError(f"lora.target_modules also matches {outside[0]}, outside the language model")
    return peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=config.target_modules,
        task_type="CAUSAL_LM",
    )
