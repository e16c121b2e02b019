"""How open_clip prepares images and texts, rebuilt on our resize and on the `tokenizers` library.

Each is compared with the library's own at start. Knows no weights.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, normalizers
from torch import nn

# The schemas come before open_clip, which imports torchvision.
from visreward import torchvision_schemas  # noqa: F401
from visreward_service.models.base import DecodedImage
from visreward_service.models.errors import ModelError
from visreward_service.models.preprocess import Preprocessing
from visreward_service.models.resize import Rgb, Way
from visreward_service.models.tokens import TextReader, build_clip_tokenizer

import open_clip  # isort: skip
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer  # isort: skip
from open_clip.transform import PreprocessCfg, image_transform_v2  # isort: skip

PROBES = (
    "A photo depicts a red ball.",
    "it's 2 o'clock &amp; <b>the</b>   CAT's  naïve — 日本 🙂!!",
    "two dogs " * 100,
    "",
)
"""Texts on which the rebuilt tokenizer must agree with the library's."""


@dataclass(frozen=True, kw_only=True)
class LibraryPreprocessing:
    """The library's own transform without its last steps, for the modes that `Preprocessing` lacks."""

    transform: Any
    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    version: str

    def __call__(self, image: DecodedImage) -> Rgb:
        """Return (height, width, 3)."""
        return np.array(self.transform(Image.fromarray(image.rgb)))


def build_preprocessing(
    network: Any, *, way: Way, device: torch.device
) -> Preprocessing | LibraryPreprocessing:
    """Return the preprocessing that the library gives the network."""
    config = PreprocessCfg(**open_clip.get_model_preprocess_cfg(network))
    size = config.size if isinstance(config.size, tuple | list) else (config.size, config.size)
    height, width = int(size[0]), int(size[1])
    mean, std = (float(x) for x in config.mean), (float(x) for x in config.std)
    statistics: dict[str, Any] = {"mean": tuple(mean), "std": tuple(std)}
    interpolation = "bilinear" if config.interpolation == "bilinear" else "bicubic"
    if config.resize_mode == "squash" or (config.resize_mode == "shortest" and height == width):
        mode = "squash" if config.resize_mode == "squash" else "crop"
        geometry: dict[str, Any] = {"mode": mode, "filter": interpolation, "odd_margin": "round"}
        return Preprocessing(height=height, width=width, way=way, device=device, **geometry, **statistics)
    steps = image_transform_v2(config, is_train=False).transforms[:-3]
    transform = image_transform_v2(config, is_train=False)
    transform.transforms = steps
    version = f"1:open_clip-{open_clip.__version__}-{width}x{height}-{config.resize_mode}-{interpolation}"
    return LibraryPreprocessing(transform=transform, size=(width, height), version=version, **statistics)


def build_reader(name: str, network: nn.Module) -> tuple[TextReader, int]:
    """Return the reader of the network's texts and the id of their padding.

    Raises `ModelError` where the tokenizer's files are absent, or the library's reading cannot be rebuilt.
    """
    try:
        library = open_clip.get_tokenizer(name)
    except (OSError, ValueError, ImportError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(
            f"the tokenizer of {name} cannot be loaded ({' '.join(str(error).split())[:300]}): put its files "
            "into the folder beside open_clip_config.json"
        ) from error
    if isinstance(library, SimpleTokenizer):
        reader, pad = _rebuild_simple(library), 0
    elif isinstance(library, HFTokenizer):
        reader, pad = _rebuild_hub(library)
    else:
        raise ModelError(f"the tokenizer of {name}, a {type(library).__name__}, is not supported")
    for text, expected in zip(PROBES, library(list(PROBES)).tolist()):
        ids = list(reader([text])[0].ids)
        if ids + [pad] * (len(expected) - len(ids)) != expected:
            raise ModelError(f"the tokenizer of {name} is not supported: it reads {text!r} in its own way")
    rows = getattr(network, "vocab_size", None) or getattr(getattr(network, "text", None), "vocab_size", None)
    highest = max(reader.tokenizer.get_vocab(with_added_tokens=True).values())
    if rows is not None and highest >= rows:
        raise ModelError(f"the tokenizer of {name} has ids up to {highest}, the model has {rows} embeddings")
    return reader, pad


def _rebuild_simple(library: SimpleTokenizer) -> TextReader:
    """The library's loops over a long word take time by its square, a text of one long word for ever."""
    if library.reduction_fn is not None:
        raise ModelError("a tokenizer that drops tokens at random is not supported")
    merges = sorted(library.bpe_ranks, key=library.bpe_ranks.__getitem__)
    tokenizer = build_clip_tokenizer(
        library.encoder,
        merges,
        start=library.decoder[library.sot_token_id],
        end=library.decoder[library.eot_token_id],
        normalizer=normalizers.Sequence([]),
    )
    return TextReader(
        tokenizer=tokenizer,
        limit=library.context_length,
        end=library.eot_token_id,
        stops_at_end=True,
        clean=library.clean_fn,
    )


def _rebuild_hub(library: HFTokenizer) -> tuple[TextReader, int]:
    inner = library.tokenizer
    if library.tokenizer_mode or library.strip_sep_token or not getattr(inner, "is_fast", False):
        raise ModelError(f"the tokenizer {type(inner).__name__} in this mode is not supported")
    tokenizer = Tokenizer.from_str(inner.backend_tokenizer.to_str())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    reader = TextReader(
        tokenizer=tokenizer,
        limit=library.context_length,
        end=tokenizer.encode("a").ids[-1],
        stops_at_end=False,
        clean=library.clean_fn,
    )
    return reader, int(inner.pad_token_id)
