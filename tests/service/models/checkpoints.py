"""Checkpoints of every kind in the layouts in which the real ones are published.

True architectures and special ids, tiny sizes, random weights. Each function fills a folder and returns what
an independent forward needs.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE
from torch import Tensor, nn

# The schemas come before transformers and open_clip, which import torchvision.
from visreward import torchvision_schemas  # noqa: F401

import open_clip  # isort: skip
from open_clip.tokenizer import SimpleTokenizer  # isort: skip
from transformers import (  # isort: skip
    CLIPConfig,
    CLIPModel,
    CLIPTokenizer,
    Siglip2Config,
    Siglip2Model,
    SiglipConfig,
    SiglipModel,
)

M = TypeVar("M", bound=nn.Module)

START, END = 49406, 49407
CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]
KEPT = 20

CLIP_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": 49408,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "bos_token_id": START,
    "eos_token_id": END,
    "pad_token_id": END,
}
CLIP_VISION = {
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "image_size": 32,
    "patch_size": 8,
    "hidden_act": "quick_gelu",
}
CLIP_PROCESSOR = {
    "image_processor_type": "CLIPImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": 32},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 32, "width": 32},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": CLIP_MEAN,
    "image_std": CLIP_STD,
}
SIGLIP_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": 600,
    "max_position_embeddings": 64,
    "hidden_act": "gelu_pytorch_tanh",
    "projection_size": 32,
    "bos_token_id": 2,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
SIGLIP_VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_act": "gelu_pytorch_tanh",
}
OPEN_CLIP_MODEL = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def still(module: M) -> M:
    """The module in evaluation mode."""
    module.train(False)
    return module


def shake(module: nn.Module, seed: int = 0) -> None:
    """Random weights so large that inputs end far apart."""
    dice = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            middle = 2.0 if name.startswith("logit_scale") else float("norm" in name and "weight" in name)
            parameter.copy_(torch.randn(parameter.shape, generator=dice) * 0.15 + middle)


def write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value))


def save(state: dict[str, Tensor], path: Path) -> None:
    save_file({key: value.detach().clone().contiguous() for key, value in state.items()}, path)


@cache
def clip_tokenizer() -> CLIPTokenizer:
    """CLIP's true vocabulary, which comes with open_clip, in transformers' tokenizer."""
    simple = SimpleTokenizer()
    names = {simple.sot_token_id: "<|startoftext|>", simple.eot_token_id: "<|endoftext|>"}
    vocab = {names.get(index, token): index for token, index in simple.encoder.items()}
    merges = sorted(simple.bpe_ranks, key=simple.bpe_ranks.__getitem__)
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=77)


@cache
def gemma_tokenizer() -> Tokenizer:
    """A small tokenizer of Gemma's make: spaces as ▁, bytes behind it, `<eos>` after every text."""
    tokenizer = Tokenizer(BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback()])
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator(
        ["a red ball lies left of a small blue cup and two green books on the wooden table"] * 4, trainer
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    return tokenizer


def write_gemma_tokenizer(folder: Path) -> None:
    gemma_tokenizer().save(str(folder / "tokenizer.json"))
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "pad_token": "<pad>",
            "eos_token": "<eos>",
            "unk_token": "<unk>",
            "padding_side": "right",
            "model_max_length": 64,
        },
    )


def clip_config(**text: Any) -> dict[str, Any]:
    return {
        "model_type": "clip",
        "projection_dim": 24,
        "text_config": {**CLIP_TEXT, **text},
        "vision_config": CLIP_VISION,
    }


def make_clip(folder: Path, **text: Any) -> CLIPModel:
    """A folder of `openai/clip-vit-*`'s layout; `text` overrides the text config."""
    folder.mkdir(parents=True, exist_ok=True)
    config = clip_config(**text)
    model = still(CLIPModel(CLIPConfig.from_dict(config)))
    shake(model)
    save(model.state_dict(), folder / "model.safetensors")
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", CLIP_PROCESSOR)
    clip_tokenizer().save_pretrained(folder)
    return model


def make_fgclip(folder: Path) -> tuple[CLIPModel, CLIPModel]:
    """A folder of `qihoo360/fg-clip-*`'s layout; returns its short-text and its long-text model."""
    short = make_clip(folder)
    dice = torch.Generator().manual_seed(9)
    width, positions = CLIP_TEXT["hidden_size"], 248
    ori, res = (torch.randn(positions, int(str(width)), generator=dice) * 0.3 for _ in range(2))
    filip = torch.randn(24, int(str(width)), generator=dice) * 0.3
    state = dict(short.state_dict())
    scales = {
        name: torch.tensor(value)
        for name, value in (("logit_scale_finegraind", 2.0), ("logit_scale_hardneg", 3.0))
    }
    embeddings = "text_model.embeddings."
    extra = {
        embeddings + "position_embedding_ori.weight": ori,
        embeddings + "position_embedding_res.weight": res,
        "text_filip_projection.weight": filip,
        **scales,
    }
    save(state | extra, folder / "model.safetensors")
    long = still(CLIPModel(CLIPConfig.from_dict(clip_config(max_position_embeddings=positions))))
    state[embeddings + "position_embedding.weight"] = torch.cat([ori[:KEPT], res[KEPT:]])
    state["text_projection.weight"] = filip
    long.load_state_dict(state)
    return short, long


def siglip_processor(**changes: Any) -> dict[str, Any]:
    return {
        "image_processor_type": "SiglipImageProcessor",
        "do_resize": True,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "resample": 2,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        **changes,
    }


def make_siglip_fixed(folder: Path) -> SiglipModel:
    """A folder of `google/siglip2-*-patch16-256`'s layout."""
    folder.mkdir(parents=True, exist_ok=True)
    vision = {**SIGLIP_VISION, "image_size": 32, "patch_size": 8}
    config = {"model_type": "siglip", "text_config": SIGLIP_TEXT, "vision_config": vision}
    model = still(SiglipModel(SiglipConfig.from_dict(config)))
    shake(model)
    save(model.state_dict(), folder / "model.safetensors")
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", siglip_processor(size={"height": 32, "width": 32}))
    write_gemma_tokenizer(folder)
    return model


def naflex_config(model_type: str) -> dict[str, Any]:
    vision = {**SIGLIP_VISION, "num_patches": 16, "patch_size": 16}
    return {"model_type": model_type, "text_config": dict(SIGLIP_TEXT), "vision_config": vision}


def make_siglip_naflex(folder: Path) -> Siglip2Model:
    """A folder of `google/siglip2-*-naflex`'s layout, with a budget of 16 patches."""
    folder.mkdir(parents=True, exist_ok=True)
    config = naflex_config("siglip2")
    model = still(Siglip2Model(Siglip2Config.from_dict(config)))
    shake(model)
    save(model.state_dict(), folder / "model.safetensors")
    write_json(folder / "config.json", config)
    write_json(
        folder / "preprocessor_config.json",
        siglip_processor(image_processor_type="Siglip2ImageProcessor", patch_size=16, max_num_patches=16),
    )
    write_gemma_tokenizer(folder)
    return model


def make_fgclip2(folder: Path) -> dict[str, Any]:
    """A folder of `qihoo360/fg-clip2-*`'s layout; returns the models of the branches and the dense head."""
    folder.mkdir(parents=True, exist_ok=True)
    config = naflex_config("fgclip2")
    config["text_config"] |= {"keep_len": KEPT, "longtext_len": 196, "model_type": "fgclip2_text_model"}
    plain = naflex_config("siglip2")
    short = still(Siglip2Model(Siglip2Config.from_dict(plain)))
    shake(short)
    dice = torch.Generator().manual_seed(9)
    ori, res = (torch.randn(196, 32, generator=dice) * 0.3 for _ in range(2))
    heads = {name: nn.Linear(32, 32) for name in ("longtext_head", "boxtext_head")}
    dense: nn.Module = still(type(short.vision_model.head)(short.config.vision_config))
    shake(dense, seed=4)
    state = dict(short.state_dict())
    extra = {
        "text_model.embeddings.position_embedding_ori.weight": ori,
        "text_model.embeddings.position_embedding_res.weight": res,
    }
    for name, module in (*heads.items(), ("dense_feature_head", dense)):
        extra |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    save(state | extra, folder / "model.safetensors")
    write_json(folder / "config.json", config)
    write_json(
        folder / "preprocessor_config.json",
        siglip_processor(
            image_processor_type="Fgclip2ImageProcessor", patch_size=16, dynamic_max_patches=True
        ),
    )
    write_gemma_tokenizer(folder)
    plain["text_config"]["max_position_embeddings"] = 196
    long = still(Siglip2Model(Siglip2Config.from_dict(plain)))
    long.load_state_dict(
        state
        | {"text_model.embeddings.position_embedding.weight": torch.cat([ori[:KEPT], res[KEPT:]])}
        | {f"text_model.head.{key}": value for key, value in heads["longtext_head"].state_dict().items()}
    )
    box = still(Siglip2Model(Siglip2Config.from_dict(naflex_config("siglip2"))))
    box.load_state_dict(
        state | {f"text_model.head.{key}": value for key, value in heads["boxtext_head"].state_dict().items()}
    )
    return {"short": short, "long": long, "box": box, "dense": dense}


def make_open_clip(folder: Path, **changes: Any) -> nn.Module:
    """A folder in open_clip's `local-dir` layout; `changes` override the model config."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {**OPEN_CLIP_MODEL, **changes}
    model: nn.Module = (
        open_clip.model.CLIP(**config) if not config.get("custom_text") else custom_text(config)
    )
    model.eval()
    shake(model)
    save(model.state_dict(), folder / "open_clip_model.safetensors")
    preprocess = {"mean": CLIP_MEAN, "std": CLIP_STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    write_json(folder / "open_clip_config.json", {"model_cfg": config, "preprocess_cfg": preprocess})
    return model


def custom_text(config: dict[str, Any]) -> nn.Module:
    network: nn.Module = open_clip.model.CustomTextCLIP(
        **{k: v for k, v in config.items() if k != "custom_text"}
    )
    return network
