"""A vision-language model of Qwen2.5-VL's architecture with a few million parameters or fewer, and a
tokenizer made from a handful of texts. Nothing is downloaded; the weights are random until somebody trains
them."""

# The schemas come before everything that loads transformers.
from visreward import torchvision_schemas  # noqa: F401

# isort: split
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

PATCH_PIXELS = 14
MERGE = 2
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
ROLES = ("user\n", "assistant\n")
"""Single tokens too, as every prompt has them."""
ALPHABET = [chr(code) for code in range(ord("!"), ord("~") + 1)] + ["\u0120", "\u010a"]
"""Printable ASCII, and byte-level BPE's letters for a space and a line end."""
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large the model is."""

    hidden: int = 64
    layers: int = 2
    heads: int = 4
    vision_hidden: int = 32
    vision_layers: int = 2
    vision_heads: int = 2
    image_pixels: int = 56
    """Images become so many pixels squared; a multiple of 28."""
    vocabulary: int = 320


def build(
    folder: Path,
    texts: Iterable[str],
    size: Size | None = None,
    *,
    whole: Sequence[str] = (),
    seed: int = 0,
) -> Path:
    """Write a model with random weights and its processor to a folder; a seed gives the same bytes.

    Each piece of text in `whole` is a single token.
    """
    size = size or Size()
    torch.manual_seed(seed)
    whole = (*ROLES, *whole)
    tokenizer = build_tokenizer(texts, size.vocabulary - len(whole))
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in whole])
    processor = build_processor(tokenizer, size.image_pixels)
    model = build_network(processor.tokenizer, size)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def build_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """Return a byte-level BPE learned from the texts, over printable ASCII and line ends alone.

    Other bytes would let a random model write what no service takes as text.
    """
    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learned.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(SPECIAL),
        initial_alphabet=ALPHABET,
        show_progress=False,
    )
    learned.train_from_iterator(texts, trainer)
    written = json.loads(learned.to_str())["model"]
    return Qwen2Tokenizer(
        vocab=written["vocab"],
        merges=[tuple(pair) for pair in written["merges"]],  # type: ignore[misc]
        eos_token="<|im_end|>",  # noqa: S106 - a word of the vocabulary
        pad_token="<|endoftext|>",  # noqa: S106
        extra_special_tokens=[token for token in SPECIAL if token not in ("<|im_end|>", "<|endoftext|>")],
    )


def build_processor(tokenizer: Any, image_pixels: int) -> Any:
    tokenizer.padding_side = "left"
    shape: dict[str, Any] = {"patch_size": PATCH_PIXELS, "merge_size": MERGE, "temporal_patch_size": 2}
    bounds = {"shortest_edge": image_pixels**2, "longest_edge": image_pixels**2}
    return Qwen2_5_VLProcessor(  # type: ignore[no-untyped-call]
        image_processor=Qwen2VLImageProcessor(size=bounds, **shape),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(size=bounds, **shape),
        chat_template=CHAT_TEMPLATE,
    )


def build_network(tokenizer: Any, size: Size) -> Any:
    """Return the model; its vocabulary has room for every id of the tokenizer."""
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    head = size.hidden // size.heads
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": max(size.vocabulary, len(tokenizer)),
            "hidden_size": size.hidden,
            "intermediate_size": 2 * size.hidden,
            "num_hidden_layers": size.layers,
            "num_attention_heads": size.heads,
            "num_key_value_heads": size.heads // 2,
            "max_position_embeddings": 2048,
            "tie_word_embeddings": False,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e4,
                "mrope_section": [head // 8, head // 8, head // 4],
            },
        },
        vision_config={
            "depth": size.vision_layers,
            "hidden_size": size.vision_hidden,
            "intermediate_size": 2 * size.vision_hidden,
            "num_heads": size.vision_heads,
            "patch_size": PATCH_PIXELS,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "window_size": 4 * PATCH_PIXELS * MERGE,
            "fullatt_block_indexes": [size.vision_layers - 1],
            "out_hidden_size": size.hidden,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=False,
    )
    model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=True,
        eos_token_id=[ids["<|im_end|>"], ids["<|endoftext|>"]],
        pad_token_id=ids["<|endoftext|>"],
    )
    return model
