"""The checkpoint that all systems load: transformers' `CLIPModel`, ViT-B/32, random weights, made once.

The vocabulary is CLIP's own, from the wheel of open_clip.
"""

import json
import shutil
from pathlib import Path

VERSION = "1"


def make_vit_b_32(cache: Path) -> Path:
    """Return the folder of the checkpoint, in the layout of the hub; made where it is not there."""
    folder = cache / f"vit-b-32-{VERSION}"
    if not folder.is_dir():
        making = folder.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        _save_network(making)
        _save_tokenizer(making)
        _save_processor(making)
        making.rename(folder)
    return folder


def _save_network(folder: Path) -> None:
    import torch

    # The schemas come before transformers, whose CLIP classes import torchvision.
    from visreward import torchvision_schemas  # noqa: F401

    from transformers import CLIPConfig, CLIPModel  # isort: skip

    torch.manual_seed(0)
    config = CLIPConfig(
        text_config={"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407},
        vision_config={"patch_size": 32},
    )
    CLIPModel(config).save_pretrained(folder)


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


def _save_processor(folder: Path) -> None:
    config = {
        "image_processor_type": "CLIPImageProcessor",
        "processor_class": "CLIPProcessor",
        "do_resize": True,
        "size": {"shortest_edge": 224},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": 224, "width": 224},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "do_convert_rgb": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(config), encoding="utf-8")
