"""What an encoder is made of, and how the kinds put it together. Knows no architecture and no file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from visreward_service.models.base import DecodedImage, ModelInfo, Pixels
from visreward_service.models.patches import PatchPreprocessing
from visreward_service.models.settings import ModelSettings
from visreward_service.models.tokens import TextReader


class Prepare(Protocol):
    """One model's preprocessing of images."""

    @property
    def mean(self) -> tuple[float, float, float]: ...

    @property
    def std(self) -> tuple[float, float, float]: ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the model's input in pixels."""
        ...

    @property
    def version(self) -> str:
        """A name that changes with every setting that changes a pixel; part of cache keys."""
        ...

    def __call__(self, image: DecodedImage) -> Pixels: ...


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a kind of model puts together."""

    info: ModelInfo
    module: nn.Module
    """With its weights, on its device and in its dtype."""
    prepare: Prepare
    readers: Mapping[str, TextReader]
    """By text branch."""
    pad: int
    """Id that fills a text up."""
    pads_to_limit: bool
    """Whether a text always fills its branch, because the model reads the padding too."""
    max_images: int
    max_texts: int
    """Items of one forward pass."""
    deterministic: bool
    """Whether batches are of one size off the CPU too."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which model this is, and where it runs."""

    name: str
    settings: ModelSettings
    revision: str
    pinned: bool
    device: torch.device
    dtype: torch.dtype
    license: str | None = None

    def build_parts(
        self,
        network: Any,
        *,
        dim: int,
        prepare: Prepare,
        readers: Mapping[str, TextReader],
        pad: int,
        pads_to_limit: bool,
        views: Sequence[str] = ("pooled",),
        grid: tuple[int, int] | None = None,
    ) -> Parts:
        """Return the parts of a network that has its weights."""
        settings = self.settings
        bias = getattr(network, "logit_bias", None)
        reader = next(iter(readers.values()))
        info = ModelInfo(
            name=self.name,
            kind=settings.kind,
            source=" ".join(filter(None, (settings.source, settings.pretrained))),
            revision=self.revision,
            pinned=self.pinned,
            dim=dim,
            image_size=prepare.size,
            views=tuple(views),
            branches={branch: one.limit for branch, one in readers.items()},
            preprocessing=prepare.version,
            device=str(self.device),
            dtype=settings.dtype,
            grid=grid,
            logit_scale=network.logit_scale.exp().item(),
            logit_bias=None if bias is None else bias.item(),
            patch_size=prepare.patch if isinstance(prepare, PatchPreprocessing) else 0,
            max_patches=prepare.budgets[-1] if isinstance(prepare, PatchPreprocessing) else 0,
            vocabulary=reader.tokenizer.get_vocab_size(),
            end=reader.end if reader.stops_at_end else None,
            license=self.license,
        )
        return Parts(
            info=info,
            module=network.to(self.device, self.dtype),
            prepare=prepare,
            readers=readers,
            pad=pad,
            pads_to_limit=pads_to_limit,
            max_images=settings.max_batch_images,
            max_texts=settings.max_batch_texts,
            deterministic=settings.deterministic,
        )
