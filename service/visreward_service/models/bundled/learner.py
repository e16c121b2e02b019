"""One step of training: the losses of a batch, and their descent. It knows no files and no clock."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from visreward_service.models.bundled import losses
from visreward_service.models.bundled.batches import NUM_FALSE_DESCRIPTIONS, Batch
from visreward_service.models.bundled.folder import normalised
from visreward_service.models.bundled.hints import Hints
from visreward_service.models.bundled.optimiser import Optimiser
from visreward_service.models.bundled.recipe import Recipe
from visreward_service.models.bundled.replicas import Exchange
from visreward_service.models.networks import Branch, FGClip, roi_weights
from visreward_service.scenes.negatives import NEGATIVE_KINDS

MAX_SCALE = 50.0
WEIGHTS = {
    "region": 1.0,
    "pointing": 0.5,
    "phrase": 1.0,
    "caption": 0.5,
    "caption_negative": 2.0,
    "image": 1.0,
    "image_facts": 1.0,
    "thing_facts": 0.5,
    "phrase_facts": 0.5,
    "caption_facts": 0.5,
    "place_facts": 0.5,
    "description_facts": 0.5,
    "place": 0.3,
    "place_negative": 2.0,
    "description": 0.3,
    "description_negative": 2.0,
}
"""What each loss counts."""


@dataclass(kw_only=True)
class Learner:
    """A model on its way, with its optimiser."""

    model: FGClip
    recipe: Recipe
    num_processes: int = 1
    rank: int = 0
    "Which of the exchange's processes this is."

    def __post_init__(self) -> None:
        self.preprocessor = self.recipe.preprocessor_config()
        self.hints = Hints(self.model.config.projection, self.recipe.seed)
        self.trained = [*self.model.parameters(), *self.hints.parameters()]
        self.exchange = Exchange(self.num_processes, sum(parameter.numel() for parameter in self.trained))
        self.optimiser = Optimiser(self.model, self.hints, self.recipe)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {name: part.state_dict() for name, part in self.parts().items()}

    def load(self, state: dict[str, Any]) -> None:
        """Take up a checkpoint."""
        for name, part in self.parts().items():
            part.load_state_dict(state[name])

    def parts(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "optimiser": self.optimiser,
            "hints": self.hints,
        }

    def step(self, step: int, batch: Batch, pixels: NDArray[np.uint8]) -> dict[str, float]:
        """Descend once; the losses before it, by name."""
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernel's backward pass is slow on a CPU
            parts = self.losses(batch, normalised(pixels, self.preprocessor))
        total = torch.stack([WEIGHTS[name] * loss for name, loss in parts.items()]).sum()
        self.optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        self.exchange.average(self.rank, self.trained)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step(step)
        return {name: loss.item() for name, loss in parts.items()}

    def losses(self, batch: Batch, pixels: Tensor) -> dict[str, Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bfloat16):
            pooled, dense = self.model.image_and_dense_features(pixels)
        pooled, dense = pooled.float(), dense.float()
        images = F.normalize(pooled, dim=-1)
        parts = self.phrase_losses(batch, images, dense)
        if batch.captions is not None:
            parts["image_facts"] = self.hints.loss(images, batch.scene_facts)
        for name, ids, facts, num_texts in (
            ("caption", batch.captions, batch.caption_facts, 1 + len(NEGATIVE_KINDS)),
            ("place", batch.places, batch.place_facts, 1 + len(NEGATIVE_KINDS)),
            ("description", batch.descriptions, batch.description_facts, 1 + NUM_FALSE_DESCRIPTIONS),
        ):
            if ids is None:
                continue
            texts = self.texts(ids, "long" if name == "description" else "short")
            parts[f"{name}_facts"] = self.hints.loss(texts, facts)
            texts = texts.reshape(-1, num_texts, texts.shape[-1])
            shown = images[: len(texts)]
            parts[name] = losses.global_loss(shown, texts[:, 0], self.scale("logit_scale"))
            scale = self.scale("logit_scale_hardneg")
            parts[f"{name}_negative"] = losses.hard_negative_loss(shown, texts, scale)
        return parts

    def phrase_losses(self, batch: Batch, images: Tensor, dense: Tensor) -> dict[str, Tensor]:
        phrases = self.texts(torch_ids(batch.phrases), "short")
        thing_scenes, phrase_scenes = torch_ids(batch.thing_scenes), torch_ids(batch.phrase_scenes)
        named = losses.naming(
            torch_ids(batch.phrase_attributes), torch_ids(batch.thing_attributes), thing_scenes, len(dense)
        )
        scale = self.scale("logit_scale_finegraind")
        grid = self.model.config.grid
        boxes = torch.from_numpy(batch.thing_boxes) * grid
        weights = roi_weights(boxes, grid, grid)
        regions = F.normalize(torch.einsum("rn,rnd->rd", weights, dense[thing_scenes]), dim=-1)
        covered = centre_in_box(boxes, grid)
        own = named.things & (thing_scenes[None] == phrase_scenes[:, None])
        inside = (own.float() @ covered.float()) > 0
        pointing, phrase = losses.pointing_loss(
            F.normalize(dense, dim=-1), phrases, phrase_scenes, inside, named.scenes, scale
        )
        region = losses.region_loss(regions, phrases, named.things, scale)
        parts = {"region": region, "pointing": pointing, "phrase": phrase}
        if batch.captions is not None:
            parts["image"] = losses.region_loss(images, phrases, named.scenes, self.scale("logit_scale"))
        parts["phrase_facts"] = self.hints.loss(phrases, batch.phrase_facts)
        parts["thing_facts"] = self.hints.loss(regions, batch.thing_facts)
        return parts

    def texts(self, ids: Tensor | NDArray[np.int64], branch: Branch) -> Tensor:
        ids = ids if isinstance(ids, Tensor) else torch_ids(ids)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bfloat16):
            features = self.model.text_features(ids, branch)
        return F.normalize(features.float(), dim=-1)

    def scale(self, name: str) -> Tensor:
        scale: Tensor = getattr(self.model, name).exp().clamp(max=MAX_SCALE)
        return scale


def torch_ids(values: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(values)


def centre_in_box(boxes: Tensor, grid: int) -> Tensor:
    """Which patches have their centre in each box (R, 4) in grid units: (R, grid²)."""
    at = torch.arange(grid) + 0.5
    columns = (boxes[:, 0:1] <= at) & (at <= boxes[:, 2:3])
    rows = (boxes[:, 1:2] <= at) & (at <= boxes[:, 3:4])
    return (rows[:, :, None] & columns[:, None, :]).flatten(1)
