"""The checkpoint as transformers loads it, and cosines of images and texts, where the bench says."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


class Network:
    """A CLIP with its processor. Knows nothing of batches or servers.

    Of an FG-CLIP, which is a CLIP and more, the pooled view and the short texts.
    """

    def __init__(self, checkpoint: Path) -> None:
        with suppress(ImportError):  # there where the bench's own environment is the peer's
            from visreward import torchvision_schemas  # noqa: F401

        from transformers import CLIPModel, CLIPTokenizerFast  # type: ignore[attr-defined] # isort: skip

        self.device = torch.device(os.environ["BENCH_DEVICE"])
        self.dtype: torch.dtype = getattr(torch, os.environ["BENCH_DTYPE"])
        model: Any = CLIPModel.from_pretrained(checkpoint, attn_implementation="sdpa")
        self.model = model.eval().to(self.device, self.dtype)
        self.tokenizer: Any = CLIPTokenizerFast.from_pretrained(checkpoint)
        self.side: int = model.config.vision_config.image_size
        self.prepare = squash if "FGCLIPModel" in (model.config.architectures or []) else crop

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """Return preprocessed pixels, (B, 3, side, side), as CLIPImageProcessor makes them with Pillow."""
        return torch.from_numpy(np.stack([normalise(self.prepare(image, self.side)) for image in images]))

    def ids(self, texts: Sequence[str], *, to_limit: bool) -> Tensor:
        """Return token ids (B, T), padded to the longest text or to the limit of 77."""
        padding = "max_length" if to_limit else "longest"
        found: Tensor = self.tokenizer(
            list(texts), padding=padding, max_length=77, truncation=True, return_tensors="pt"
        )["input_ids"]
        return found

    @torch.inference_mode()
    def encode_images(self, pixels: Tensor) -> Tensor:
        """Return unit rows, (B, D)."""
        moved = pixels.to(self.device, self.dtype)
        return F.normalize(pooled(self.model.get_image_features(pixel_values=moved)).float(), dim=-1)

    @torch.inference_mode()
    def encode_texts(self, ids: Tensor) -> Tensor:
        """Return unit rows, (B, D)."""
        moved = ids.to(self.device)
        return F.normalize(pooled(self.model.get_text_features(input_ids=moved)).float(), dim=-1)


def crop(image: Image.Image, side: int) -> Image.Image:
    """Return the middle of the image, whose shorter side is resized."""
    scale = side / min(image.size)
    resized = image.resize((int(image.width * scale), int(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (resized.width - side) // 2, (resized.height - side) // 2
    return resized.crop((left, top, left + side, top + side))


def squash(image: Image.Image, side: int) -> Image.Image:
    """Return the image with both sides resized, as FG-CLIP's authors do."""
    return image.resize((side, side), Image.Resampling.BICUBIC)


def normalise(image: Image.Image) -> Any:
    """Return (3, side, side), scaled and normalised."""
    pixels = np.asarray(image, dtype=np.float32) / 255
    return ((pixels - MEAN) / STD).transpose(2, 0, 1)


def pooled(output: Any) -> Tensor:
    """Return features, which newer versions of transformers wrap."""
    found: Tensor = getattr(output, "pooler_output", output)
    return found
