"""What every kind of model does alike: batches, padding, normalised rows with steady bits, and the trial at
start.

A kind gives the features of a batch; it knows nothing of buckets. This module knows no architecture and no
file.
"""

import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from visreward_service.models.base import DecodedImage, Pixels, Tokens, Vector
from visreward_service.models.devices import demand_float32
from visreward_service.models.errors import ModelError, OutOfMemory
from visreward_service.models.networks.packed import order_by_length
from visreward_service.models.parts import Parts
from visreward_service.models.preprocess import Resizing
from visreward_service.models.resize import to_tensor, upload
from visreward_service.models.rows import make_steady, normalise
from visreward_service.models.threads import Workers, take_threads
from visreward_service.models.tiles import tile_mlps

T = TypeVar("T")

LENGTHS = (16, 24, 32, 40, 48, 64, 77, 96, 128, 160, 196, 248)
"""Texts are padded up to one of these, by their own length alone, so that a text always has the same bits."""

TRIAL_SHAPE = (96, 96, 3)
"""Of the images tried at start; small, so that models with a budget of patches take the smallest."""

FIXED_BATCH = 8
"""Rows of every batch where a network is not steady."""

MAX_MOVED = 1e-3
"""How far another resize than Pillow's may move a cosine."""


class Encoder(ABC):
    """A model of `base.Model` over a torch module; `info.passes` threads at a time may encode."""

    def __init__(self, parts: Parts) -> None:
        """Raise `ModelError` where the network gives no finite rows for plain input, or not the determinism
        that the settings ask for."""
        self.parts = parts
        self.module = parts.module.eval().requires_grad_(False)
        parameter = next(self.module.parameters())
        self.device, self.dtype = parameter.device, parameter.dtype
        self._mean = torch.tensor(parts.prepare.mean, device=self.device)
        self._std = torch.tensor(parts.prepare.std, device=self.device)
        self.info = parts.info
        self._fixed_images = self._fixed_texts = 0
        self._workers: Workers | None = None
        if self.dtype == torch.float32:
            demand_float32()
        if self.device.type == "cpu":
            self._workers = take_threads()
            make_steady(self.module)
            tile_mlps(self.module)
        elif parts.deterministic:
            self._fixed_images, self._fixed_texts = parts.max_images, parts.max_texts
        self._try_rows()
        self._try_resize()
        if self._workers is not None:
            self.info = replace(self.info, passes=self._workers.count, packs_texts=self._packs)

    # What a kind gives.

    @abstractmethod
    def image_features(self, batch: Sequence[Pixels], view: str) -> Tensor:
        """Return un-normalised features: (B, D) for `pooled`; (B, N, D) for `dense`, an image's grid row by
        row from its top left, and after it what fills up its bucket."""

    @abstractmethod
    def text_features(self, ids: Tensor, branch: str) -> Tensor:
        """Return un-normalised features (B, D) of padded ids (B, T)."""

    packs_texts: ClassVar[bool] = False
    """Whether `packed_text_features` is there; it is what runs on the CPU."""

    def packed_text_features(self, texts: Sequence[Sequence[int]], branch: str) -> Tensor:
        """Return un-normalised features (B, D) of unpadded ids, equal lengths side by side."""
        raise NotImplementedError(f"{self.info.name} reads padded texts")

    def image_bucket(self, pixels: Pixels) -> Hashable:  # noqa: ARG002
        """Return what images must share to be in one batch; a function of the image alone."""
        return None

    def grid(self, pixels: Pixels) -> tuple[int, int]:  # noqa: ARG002
        """Return rows and columns of the dense view of a prepared image."""
        if self.info.grid is None:
            raise ValueError(f"{self.info.name} has no dense view")
        return self.info.grid

    # For other processes, which get images as tensors.

    image_inputs: ClassVar[tuple[str, ...]] = ("PIXELS",)
    """Names of what `image_tensors` returns."""

    def image_tensors(self, batch: Sequence[Pixels]) -> tuple[Tensor, ...]:
        """Return prepared images of one bucket as tensors, each with a row per image, uint8 or int64."""
        return (torch.stack(self.gather(batch)),)

    def tensor_features(self, *tensors: Tensor, view: str) -> Tensor:
        """Return what `image_features` returns, of tensors on the device."""
        # `stack` takes a tensor for a batch that is stacked already.
        batch: Any = tensors[0]
        return self.image_features(batch, view)

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
        found: dict[int, Vector] = {}
        size = self._fixed_images or self.parts.max_images
        for chunk in _chunks([self.image_bucket(pixels) for pixels in batch], size):
            group = _fill([batch[index] for index in chunk], self._fixed_images)
            with torch.inference_mode():
                features = self.image_features(group, view)
                rows = (normalise(features) if view == "pooled" else features.float()).cpu().numpy()
            for index, row in zip(chunk, rows):
                found[index] = row.copy() if view == "pooled" else self.to_map(row, batch[index])
        return [found[index] for index in range(len(batch))]

    def to_map(self, row: Vector, pixels: Pixels) -> Vector:
        """Return (rows, columns, D) of an image's (N, D), without what fills up its bucket."""
        grid = self.grid(pixels)
        return row[: math.prod(grid)].reshape(*grid, -1).copy()

    def encode_texts(self, batch: Sequence[Tokens], branch: str) -> list[Vector]:
        return self._spread(partial(self._encode_texts, branch=branch), batch)

    def _spread(self, encode: Callable[[Sequence[T]], list[Vector]], batch: Sequence[T]) -> list[Vector]:
        try:
            return encode(batch) if self._workers is None else self._workers.spread(encode, batch)
        except torch.OutOfMemoryError as error:
            # What the failed pass has left in torch's cache is the room that a smaller one needs.
            torch.cuda.empty_cache()
            raise OutOfMemory(str(error)) from error

    @property
    def _packs(self) -> bool:
        """Whether texts are encoded without padding: on the CPU, where no fixed batches are needed."""
        return self.packs_texts and self._workers is not None and not self._fixed_texts

    def _encode_texts(self, batch: Sequence[Tokens], branch: str) -> list[Vector]:
        if self._packs:
            return self._encode_packed([tokens.ids for tokens in batch], branch)
        rows: dict[int, Vector] = {}
        lengths = [self._length(tokens, branch) for tokens in batch]
        for chunk in _chunks(lengths, self._fixed_texts or self.parts.max_texts):
            padded = [self.padded(batch[index], branch) for index in chunk]
            ids = upload(torch.tensor(_fill(padded, self._fixed_texts)), self.device)
            with torch.inference_mode():
                found = normalise(self.text_features(ids, branch)).cpu().numpy()
            rows.update((index, row.copy()) for index, row in zip(chunk, found))
        return [rows[index] for index in range(len(batch))]

    def _encode_packed(self, texts: Sequence[Sequence[int]], branch: str) -> list[Vector]:
        order = order_by_length(texts)
        rows: dict[int, Vector] = {}
        for start in range(0, len(order), self.parts.max_texts):
            chosen = order[start : start + self.parts.max_texts]
            with torch.inference_mode():
                features = self.packed_text_features([texts[index] for index in chosen], branch)
                found = normalise(features).cpu().numpy()
            rows.update((index, row.copy()) for index, row in zip(chosen, found))
        return [rows[index] for index in range(len(texts))]

    # For kinds.

    def stack(self, batch: Sequence[Pixels]) -> Tensor:
        """Return uint8 images of one size, normalised, as (B, 3, H, W) on the device in the model's dtype."""
        # An exported encoder gets them as one tensor (B, H, W, 3).
        pixels = batch if isinstance(batch, Tensor) else upload(torch.stack(self.gather(batch)), self.device)
        return self.normalised(pixels.permute(0, 3, 1, 2).contiguous(), channels=1)

    def gather(self, batch: Sequence[Pixels]) -> list[Tensor]:
        """Return uint8 images in one place: on the device where any is there, else on the host."""
        tensors = [to_tensor(image) for image in batch]
        on_host = all(tensor.device.type == "cpu" for tensor in tensors)
        return tensors if on_host else [upload(tensor, self.device) for tensor in tensors]

    def normalised(self, pixels: Tensor, *, channels: int = -1) -> Tensor:
        """Return uint8 values normalised in float32, in the model's dtype; the axis `channels` has three."""
        shape = [1] * pixels.dim()
        shape[channels] = 3
        mean, std = self._mean.view(shape), self._std.view(shape)
        # In place: what this costs is memory, not arithmetic.
        return pixels.float().div_(255).sub_(mean).div_(std).to(self.dtype)

    def padded(self, tokens: Tokens, branch: str) -> list[int]:
        """Return a text's ids filled up to the length that it always has."""
        return [*tokens.ids, *[self.parts.pad] * (self._length(tokens, branch) - len(tokens.ids))]

    def _length(self, tokens: Tokens, branch: str) -> int:
        limit = self.parts.readers[branch].limit
        if self.parts.pads_to_limit:
            return limit
        place = bisect_left(LENGTHS, len(tokens.ids))
        return min(LENGTHS[place], limit) if place < len(LENGTHS) else limit

    def _try_rows(self) -> None:
        """Refuse what is not finite, and fix the batch size or say so where bits depend on it."""
        steady = self._are_rows_steady()
        if not steady and self.device.type == "cpu":
            self._fixed_images = self._fixed_texts = FIXED_BATCH
            self._note(f"batches are of {FIXED_BATCH} always, without which a row's bits depend on its batch")
            steady = self._are_rows_steady()
        if not steady and self.parts.deterministic:
            raise ModelError(
                f"deterministic = true cannot be kept: on {self.device} a row of {self.info.name} has other "
                "bits beside others, though every batch is of one size; leave it out, or use another device"
            )
        if not steady:
            self._note(f"on {self.device} a row's last bits depend on its batch")

    def _try_resize(self) -> None:
        """Go back to Pillow's resize where another one moves what the model sees."""
        prepare = self.parts.prepare
        if not isinstance(prepare, Resizing) or prepare.way == "exact":
            return
        exact: Any = prepare.exactly()
        noise = _noise()[0]
        ours, theirs = self.encode_images([prepare(noise), exact(noise)], "pooled")
        if float(ours @ theirs) < 1 - MAX_MOVED:
            self.parts = replace(self.parts, prepare=exact)
            self.info = replace(self.info, preprocessing=exact.version)
            self._note(f"images are resized by Pillow: the way {prepare.way!r} moved a cosine by {MAX_MOVED}")

    def _note(self, note: str) -> None:
        self.info = replace(self.info, notes=(*self.info.notes, note))

    def _are_rows_steady(self) -> bool:
        """Encode made-up input alone and in company, in one pass and not spread over the cores.

        Raise `ModelError` where a row is not finite.
        """
        images = [self.prepare_image(image) for image in _noise()]
        steady = all(self._is_steady(self._encode_images, images, view) for view in self.info.views)
        for branch in self.info.branches:
            short, other, long = self.prepare_texts(["a red ball", "a blue cup", "word " * 60], branch)
            steady &= self._is_steady(self._encode_texts, [short, other], branch)
            steady &= self._is_steady(self._encode_texts, [long, long], branch)
        return steady

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


def _noise() -> list[DecodedImage]:
    dice = np.random.default_rng(0)
    return [DecodedImage(dice.integers(0, 256, TRIAL_SHAPE, dtype=np.uint8)) for _ in range(2)]


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
