"""The checkpoints that all systems load: the published shapes with random weights, made once.

The vocabulary is CLIP's own, from the wheel of open_clip.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERSION = "1"

Config = dict[str, Any]

CLIP_TOKENS = {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}
LARGE_TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, **CLIP_TOKENS}
LARGE_VISION = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 14,
}


@dataclass(frozen=True)
class Shape:
    """An architecture, and what loads it."""

    kind: str
    """Of the service's settings."""
    side: int
    """Of the images, in pixels."""
    save: Callable[[Path, Config], None]
    config: Config

    def make(self, folder: Path) -> None:
        """Save a checkpoint in the layout of the hub."""
        self.save(folder, self.config)
        _save_tokenizer(folder)
        _save_processor(folder, self.side)


def make_checkpoint(shape: str, cache: Path) -> Path:
    """Return the folder of a shape's checkpoint, made where it is not there."""
    folder = cache / f"{shape}-{VERSION}"
    if not folder.is_dir():
        making = folder.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        SHAPES[shape].make(making)
        making.rename(folder)
    return folder


def _save_clip(folder: Path, config: Config) -> None:
    import torch

    # The schemas come before transformers, whose CLIP classes import torchvision.
    from visreward import torchvision_schemas  # noqa: F401

    from transformers import CLIPConfig, CLIPModel  # isort: skip

    torch.manual_seed(0)
    CLIPModel(CLIPConfig(**config)).save_pretrained(folder)


def _save_fgclip(folder: Path, config: Config) -> None:
    import torch
    from safetensors.torch import save_file

    from visreward_service.models.networks import FGClip, FGClipConfig

    torch.manual_seed(0)
    network = FGClip(FGClipConfig.from_dict(config))
    save_file(network.published_state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def _save_tokenizer(folder: Path) -> None:
    from open_clip.tokenizer import SimpleTokenizer

    simple = SimpleTokenizer()
    names = {simple.sot_token_id: "<|startoftext|>", simple.eot_token_id: "<|endoftext|>"}
    vocab = {names.get(index, token): index for token, index in simple.encoder.items()}
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    merges = sorted(simple.bpe_ranks, key=simple.bpe_ranks.__getitem__)
    text = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in merges)])
    (folder / "merges.txt").write_text(text, encoding="utf-8")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    config = {**special, "pad_token": "<|endoftext|>", "model_max_length": 77}
    config["tokenizer_class"] = "CLIPTokenizer"
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(special), encoding="utf-8")


def _save_processor(folder: Path, side: int) -> None:
    config = {
        "image_processor_type": "CLIPImageProcessor",
        "processor_class": "CLIPProcessor",
        "do_resize": True,
        "size": {"shortest_edge": side},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": side, "width": side},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "do_convert_rgb": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(config), encoding="utf-8")


SHAPES = {
    "vit-b-32": Shape(
        "clip", 224, _save_clip, {"text_config": CLIP_TOKENS, "vision_config": {"patch_size": 32}}
    ),
    "vit-l-14": Shape(
        "clip",
        224,
        _save_clip,
        {"projection_dim": 768, "text_config": LARGE_TEXT, "vision_config": LARGE_VISION},
    ),
    "fg-clip-large": Shape(
        "fgclip",
        336,
        _save_fgclip,
        {
            "model_type": "clip",
            "architectures": ["FGCLIPModel"],
            "projection_dim": 768,
            "text_config": LARGE_TEXT,
            "vision_config": {**LARGE_VISION, "image_size": 336},
        },
    ),
}
"""`fg-clip-large` is clip-vit-large-patch14-336, as its published config is expected to be."""
