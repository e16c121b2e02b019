"""What every kind of model does alike: batches, padding, normalised rows with steady bits, and the trial at
start.

A kind gives the features of a batch; it knows nothing of buckets. This module knows no architecture and no
file.
"""

import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from visreward_service.models.base import DecodedImage, ModelInfo, Pixels, Tokens, Vector
from visreward_service.models.errors import ModelError
from visreward_service.models.networks.roi import roi_weights
from visreward_service.models.rows import make_steady, normalise
from visreward_service.models.threads import Workers, take_threads
from visreward_service.models.tokens import TextReader

T = TypeVar("T")

Boxes = npt.NDArray[np.floating]
"""(M, 4)."""

LENGTHS = (16, 24, 32, 40, 48, 64, 77, 96, 128, 160, 196, 248)
"""Texts are padded up to one of these, by their own length alone, so that a text always has the same bits."""

TRIAL_SHAPE = (96, 96, 3)
"""Of the images tried at start; small, so that models with a budget of patches take the smallest."""

FIXED_BATCH = 8
"""Rows of every batch where a network is not steady."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a kind of model puts together."""

    info: ModelInfo
    module: nn.Module
    """With its weights, on its device and in its dtype."""
    prepare: Callable[[DecodedImage], Pixels]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    readers: Mapping[str, TextReader]
    pad: int
    """Id that fills a text up."""
    pads_to_limit: bool
    """Whether a text always fills its branch, because the model reads the padding too."""
    max_images: int
    max_texts: int
    """Items of one forward pass."""
    deterministic: bool
    """Whether batches are of one size off the CPU too."""


class Encoder(ABC):
    """A model of `base.Model` over a torch module. `encode_*` are called from one thread at a time."""

    def __init__(self, parts: Parts) -> None:
        """Raise `ModelError` where the network gives no finite rows for plain input."""
        self.parts = parts
        self.module = parts.module.eval().requires_grad_(False)
        parameter = next(self.module.parameters())
        self.device, self.dtype = parameter.device, parameter.dtype
        self._mean = torch.tensor(parts.mean, device=self.device)
        self._std = torch.tensor(parts.std, device=self.device)
        self.info = parts.info
        self._fixed_images = self._fixed_texts = 0
        self._workers: Workers | None = None
        if self.device.type == "cpu":
            self._workers = take_threads()
            make_steady(self.module)
        elif parts.deterministic:
            self._fixed_images, self._fixed_texts = parts.max_images, parts.max_texts
        self._try()

    # What a kind gives.

    @abstractmethod
    def image_features(self, batch: Sequence[Pixels], view: str) -> Tensor:
        """Return un-normalised features: (B, D) for `pooled`, (B, N, D) for `dense`."""

    @abstractmethod
    def text_features(self, ids: Tensor, branch: str) -> Tensor:
        """Return un-normalised features (B, D) of padded ids (B, T)."""

    def image_bucket(self, pixels: Pixels) -> Hashable:  # noqa: ARG002
        """Return what images must share to be in one batch; a function of the image alone."""
        return None

    def grid(self, pixels: Pixels) -> tuple[int, int]:  # noqa: ARG002
        """Return rows and columns of the dense view of a prepared image."""
        if self.info.grid is None:
            raise ValueError(f"{self.info.name} has no dense view")
        return self.info.grid

    # `base.Model`.

    def prepare_image(self, image: DecodedImage) -> Pixels:
        """Return uint8 pixels; they are normalised on the device."""
        return self.parts.prepare(image)

    def prepare_texts(self, texts: Sequence[str], branch: str) -> list[Tokens]:
        return self.parts.readers[branch](texts)

    def encode_images(self, batch: Sequence[Pixels], view: str) -> list[Vector]:
        if view not in self.info.views:
            raise ValueError(f"{self.info.name} has no view {view!r}, only {', '.join(self.info.views)}")
        return self._spread(partial(self._encode_images, view=view), batch)

    def _encode_images(self, batch: Sequence[Pixels], view: str) -> list[Vector]:
        rows: dict[int, Vector] = {}
        for index, features in self._image_features(batch, view):
            rows[index] = normalise(features).cpu().numpy().copy()
        return [rows[index] for index in range(len(batch))]

    def encode_regions(self, batch: Sequence[Pixels], boxes: Sequence[Boxes]) -> list[Vector]:
        """Return (M, D) for the M boxes of each image: its dense features pooled over a box, then normalised.

        A box is x1, y1, x2, y2 as fractions of the upright image's width and height. A box without area has
        no features: its row is NaN. Pooling before normalising is the reference's order (`roi_align`).
        """
        return self._spread(self._encode_regions, list(zip(batch, boxes, strict=True)))

    def _encode_regions(self, batch: Sequence[tuple[Pixels, Boxes]]) -> list[Vector]:
        rows: dict[int, Vector] = {}
        for index, features in self._image_features([pixels for pixels, _ in batch], "dense"):
            pixels, boxes = batch[index]
            height, width = self.grid(pixels)
            scaled = torch.from_numpy(boxes * (width, height, width, height)).float()
            weights = roi_weights(scaled, height, width).to(features.device)
            regions = [normalise(weight[None] @ features.float()) for weight in weights]
            rows[index] = torch.cat([features.new_zeros(0, self.info.dim).float(), *regions]).cpu().numpy()
        return [rows[index] for index in range(len(batch))]

    def encode_texts(self, batch: Sequence[Tokens], branch: str) -> list[Vector]:
        return self._spread(partial(self._encode_texts, branch=branch), batch)

    def _spread(self, encode: Callable[[Sequence[T]], list[Vector]], batch: Sequence[T]) -> list[Vector]:
        return encode(batch) if self._workers is None else self._workers.spread(encode, batch)

    def _encode_texts(self, batch: Sequence[Tokens], branch: str) -> list[Vector]:
        rows: dict[int, Vector] = {}
        lengths = [self._length(tokens, branch) for tokens in batch]
        for chunk in _chunks(lengths, self._fixed_texts or self.parts.max_texts):
            padded = [self._padded(batch[index], lengths[index]) for index in chunk]
            ids = torch.tensor(_fill(padded, self._fixed_texts), device=self.device)
            with torch.inference_mode():
                found = normalise(self.text_features(ids, branch)).cpu().numpy()
            rows.update((index, row.copy()) for index, row in zip(chunk, found))
        return [rows[index] for index in range(len(batch))]

    # For kinds.

    def stack(self, batch: Sequence[Pixels]) -> Tensor:
        """Return uint8 images of one size, normalised, as (B, 3, H, W) on the device in the model's dtype."""
        pixels = torch.from_numpy(np.stack(batch)).to(self.device)
        return self.normalised(pixels).permute(0, 3, 1, 2).contiguous()

    def normalised(self, pixels: Tensor) -> Tensor:
        """Return uint8 values with channels last, normalised in float32, in the model's dtype."""
        return pixels.float().div(255).sub(self._mean).div(self._std).to(self.dtype)

    def _image_features(self, batch: Sequence[Pixels], view: str) -> Iterator[tuple[int, Tensor]]:
        """Yield each image's index and un-normalised features, (D,) or (rows * columns, D)."""
        size = self._fixed_images or self.parts.max_images
        for chunk in _chunks([self.image_bucket(pixels) for pixels in batch], size):
            group = _fill([batch[index] for index in chunk], self._fixed_images)
            with torch.inference_mode():
                for index, features in zip(chunk, self.image_features(group, view)):
                    yield (
                        index,
                        features[: math.prod(self.grid(batch[index]))] if view == "dense" else features,
                    )

    def _padded(self, tokens: Tokens, length: int) -> list[int]:
        return [*tokens.ids, *[self.parts.pad] * (length - len(tokens.ids))]

    def _length(self, tokens: Tokens, branch: str) -> int:
        limit = self.parts.readers[branch].limit
        if self.parts.pads_to_limit:
            return limit
        place = bisect_left(LENGTHS, len(tokens.ids))
        return min(LENGTHS[place], limit) if place < len(LENGTHS) else limit

    def _try(self) -> None:
        """Encode made-up input: refuse what is not finite, and fix the batch size where bits depend on it."""
        dice = np.random.default_rng(0)
        noise = [dice.integers(0, 256, TRIAL_SHAPE, dtype=np.uint8) for _ in range(2)]
        images = [self.prepare_image(DecodedImage(pixels)) for pixels in noise]
        steady = all(self._is_steady(self.encode_images, images, view) for view in self.info.views)
        for branch in self.info.branches:
            short, other, long = self.prepare_texts(["a red ball", "a blue cup", "word " * 60], branch)
            steady &= self._is_steady(self.encode_texts, [short, other], branch)
            steady &= self._is_steady(self.encode_texts, [long, long], branch)
        if not steady and self.device.type == "cpu":
            self._fixed_images = self._fixed_texts = FIXED_BATCH
            note = f"batches are of {FIXED_BATCH} always: on this machine a row's bits depend on its batch"
            self.info = replace(self.info, notes=(*self.info.notes, note))

    def _is_steady(
        self, encode: Callable[[Sequence[T], str], list[Vector]], items: Sequence[T], key: str
    ) -> bool:
        alone, beside = encode(items[1:], key), encode(items, key)
        if not all(np.isfinite(row).all() for row in beside):
            raise ModelError(
                f"{self.info.name} gives numbers that are not finite in {self.info.dtype}: use float32 or "
                f"bfloat16, or check the weights in {self.info.source}"
            )
        return np.array_equal(alone[0], beside[1])


def _chunks(keys: Sequence[Hashable], size: int) -> Iterator[list[int]]:
    """Yield indices of equal keys, at most `size` together, in order of first appearance."""
    groups: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    for group in groups.values():
        yield from (group[start : start + size] for start in range(0, len(group), size))


def _fill(items: list[T], size: int) -> list[T]:
    """Return the items, the last one repeated up to `size`."""
    return items + items[-1:] * (size - len(items))
