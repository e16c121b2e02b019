"""The checkpoint as transformers loads it, and cosines of images and texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

SIDE = 224
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


class Network:
    """A CLIP with its processor. Knows nothing of batches or servers."""

    def __init__(self, checkpoint: Path) -> None:
        from transformers import CLIPModel, CLIPTokenizerFast  # type: ignore[attr-defined]

        self.model: Any = CLIPModel.from_pretrained(checkpoint, attn_implementation="sdpa").eval()
        self.tokenizer: Any = CLIPTokenizerFast.from_pretrained(checkpoint)

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """Return preprocessed pixels, (B, 3, 224, 224), as CLIPImageProcessor makes them with Pillow."""
        return torch.from_numpy(np.stack([prepare(image) for image in images]))

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
        return F.normalize(pooled(self.model.get_image_features(pixel_values=pixels)), dim=-1)

    @torch.inference_mode()
    def encode_texts(self, ids: Tensor) -> Tensor:
        """Return unit rows, (B, D)."""
        return F.normalize(pooled(self.model.get_text_features(input_ids=ids)), dim=-1)


def prepare(image: Image.Image) -> Any:
    """Return (3, 224, 224): the shorter side resized, the middle cut out, scaled and normalised."""
    scale = SIDE / min(image.size)
    resized = image.resize((int(image.width * scale), int(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (resized.width - SIDE) // 2, (resized.height - SIDE) // 2
    pixels = np.asarray(resized.crop((left, top, left + SIDE, top + SIDE)), dtype=np.float32) / 255
    return ((pixels - MEAN) / STD).transpose(2, 0, 1)


def pooled(output: Any) -> Tensor:
    """Return features, which newer versions of transformers wrap."""
    found: Tensor = getattr(output, "pooler_output", output)
    return found
