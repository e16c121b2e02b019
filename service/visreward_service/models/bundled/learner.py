"""One step of training: the losses of a batch, and their descent. It knows no files and no clock."""

from dataclasses import dataclass
from math import pi
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from visreward_service.models.bundled import losses
from visreward_service.models.bundled.batches import COUNT, NUM_FALSE_DESCRIPTIONS, Batch
from visreward_service.models.bundled.folder import normalised
from visreward_service.models.bundled.hints import Hints
from visreward_service.models.bundled.recipe import Recipe
from visreward_service.models.bundled.replicas import Exchange
from visreward_service.models.networks import Branch, FGClip, roi_weights
from visreward_service.scenes.negatives import NEGATIVE_KINDS

MAX_SCALE = 50.0
HINT_LEARNING_RATE = 3e-3
POSITION_SCALE = 0.6
WEIGHTS = {
    "region": 1.0,
    "pointing": 0.5,
    "phrase": 1.0,
    "caption": 0.5,
    "caption_negative": 2.0,
    "image": 1.0,
    "summary": 3.0,
    "hint": 1.0,
    "caption_hint": 0.5,
    "place_hint": 0.5,
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
        decayed = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(
            groups, lr=self.recipe.learning_rate, betas=(0.9, 0.98), fused=True
        )
        self.preprocessor = self.recipe.preprocessor_config()
        self.hints = Hints(self.model.config.projection, self.recipe.seed)
        self.trained = [*self.model.parameters(), *self.hints.parameters()]
        self.exchange = Exchange(self.num_processes, sum(parameter.numel() for parameter in self.trained))
        self.hint_optimiser = torch.optim.AdamW(self.hints.parameters(), lr=HINT_LEARNING_RATE)

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
            "hint_optimiser": self.hint_optimiser,
        }

    def step(self, step: int, batch: Batch, pixels: NDArray[np.uint8]) -> dict[str, float]:
        """Descend once; the losses before it, by name."""
        if step == self.recipe.positions_at:
            add_sines(self.model)
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate_at(step)
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernel's backward pass is slow on a CPU
            parts = self.losses(step, batch, normalised(pixels, self.preprocessor))
        total = torch.stack([WEIGHTS[name] * loss for name, loss in parts.items()]).sum()
        self.optimiser.zero_grad()
        self.hint_optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        self.exchange.average(self.rank, self.trained)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        if step >= self.recipe.hints_from:
            self.hint_optimiser.step()
        return {name: loss.item() for name, loss in parts.items()}

    def losses(self, step: int, batch: Batch, pixels: Tensor) -> dict[str, Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bfloat16):
            pooled, dense = self.model.image_and_dense_features(pixels)
        pooled, dense = pooled.float(), dense.float()
        images = F.normalize(pooled, dim=-1)
        hinted = step >= self.recipe.hints_from
        parts = self.phrase_losses(step, batch, images, dense)
        for name, ids, num_texts in (
            ("caption", batch.captions, 1 + len(NEGATIVE_KINDS)),
            ("place", batch.places, 1 + len(NEGATIVE_KINDS)),
            ("description", batch.descriptions, 1 + NUM_FALSE_DESCRIPTIONS),
        ):
            if ids is None:
                continue
            texts = self.texts(ids, "long" if name == "description" else "short")
            if hinted and name != "description":
                labels = batch.caption_labels if name == "caption" else batch.place_labels
                parts[f"{name}_hint"] = self.hints.of_captions(texts, torch_ids(labels))
            texts = texts.reshape(-1, num_texts, texts.shape[-1])
            shown = images[: len(texts)]
            parts[name] = losses.global_loss(shown, texts[:, 0], self.scale("logit_scale"))
            scale = self.scale("logit_scale_hardneg")
            parts[f"{name}_negative"] = losses.hard_negative_loss(shown, texts, scale)
        return parts

    def phrase_losses(self, step: int, batch: Batch, images: Tensor, dense: Tensor) -> dict[str, Tensor]:
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
        if batch.places is not None:
            parts["image"] = losses.region_loss(images, phrases, named.scenes, self.scale("logit_scale"))
        if step >= self.recipe.summary_from:
            counts = torch_ids(batch.thing_attributes)[:, COUNT] + 1
            parts["summary"] = losses.summary_loss(images, regions, counts, thing_scenes)
        if step >= self.recipe.hints_from:
            of_phrases = self.hints.of_attributes(phrases, torch_ids(batch.phrase_attributes))
            of_regions = self.hints.of_attributes(regions, torch_ids(batch.thing_attributes))
            parts["hint"] = of_phrases + of_regions
        return parts

    def texts(self, ids: Tensor | NDArray[np.int64], branch: Branch) -> Tensor:
        ids = ids if isinstance(ids, Tensor) else torch_ids(ids)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bfloat16):
            features = self.model.text_features(ids, branch)
        return F.normalize(features.float(), dim=-1)

    def scale(self, name: str) -> Tensor:
        scale: Tensor = getattr(self.model, name).exp().clamp(max=MAX_SCALE)
        return scale


def add_sines(model: FGClip) -> None:
    """Add two-dimensional sines (of `POSITION_SCALE`) to the positions of the patches."""
    table = model.get_parameter("vision_model.embeddings.position_embedding.weight")
    grid, quarter = model.config.grid, table.shape[1] // 4
    at = torch.arange(grid) / grid
    angles = at[:, None] * pi * 8 ** (torch.arange(quarter) / quarter)
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)
    rows, columns = waves[:, None].expand(-1, grid, -1), waves[None].expand(grid, -1, -1)
    with torch.no_grad():
        table[1:] += POSITION_SCALE * torch.cat([columns, rows], dim=2).flatten(0, 1)


def torch_ids(values: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(values)


def centre_in_box(boxes: Tensor, grid: int) -> Tensor:
    """Which patches have their centre in each box (R, 4) in grid units: (R, grid²)."""
    at = torch.arange(grid) + 0.5
    columns = (boxes[:, 0:1] <= at) & (at <= boxes[:, 2:3])
    rows = (boxes[:, 1:2] <= at) & (at <= boxes[:, 3:4])
    return (rows[:, :, None] & columns[:, None, :]).flatten(1)
