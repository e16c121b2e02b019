"""The losses of the bundled model: FG-CLIP's global, region and hard-negative losses, and one on patches.

All features come normalised. Which phrase names what is known from the attributes of phrases and things, so
that a phrase that is true of another picture of the batch is never pushed away from it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from visreward_service.models.bundled.batches import OPEN, SETTING


@dataclass(frozen=True, kw_only=True)
class Naming:
    """Which phrase names what in a batch."""

    things: Tensor
    "(M, R): the phrase names the thing"
    scenes: Tensor
    "(M, B): the phrase names something in the scene"


def naming(phrases: Tensor, things: Tensor, thing_scenes: Tensor, num_scenes: int) -> Naming:
    """From attributes (M, 6) and (R, 6); a thing is named if it has all the attributes that a phrase gives.

    A phrase of a background names no thing, but its scenes.
    """
    fits = ((phrases[:, None] == things[None]) | (phrases[:, None] == OPEN)).all(-1)
    in_scene = F.one_hot(thing_scenes, num_scenes).float()
    of_things = phrases[:, SETTING] == OPEN
    return Naming(things=fits & of_things[:, None], scenes=(fits.float() @ in_scene) > 0)


def contrast(logits: Tensor, true: Tensor) -> Tensor:
    """Mean over true pairs of the cross entropy of the pair against all false pairs of its row.

    Rows without a true or without a false pair say nothing.
    """
    false = logits.masked_fill(true, -torch.inf).logsumexp(dim=1, keepdim=True)
    use = true & false.isfinite()
    losses = F.softplus(false - logits).masked_fill(~use, 0)
    per_row = losses.sum(1) / use.sum(1).clamp(min=1)
    return per_row.sum() / use.any(1).sum().clamp(min=1)


def both_ways(logits: Tensor, true: Tensor) -> Tensor:
    return (contrast(logits, true) + contrast(logits.T, true.T)) / 2


def global_loss(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """CLIP's loss between images (B, D) and their texts (B, D)."""
    logits = scale * images @ texts.T
    target = torch.arange(len(images))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def hard_negative_loss(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """Images (B, D) against their own texts (B, 1 + K, D), of which the first is true."""
    logits = scale * torch.einsum("bd,bkd->bk", images, texts)
    return F.cross_entropy(logits, torch.zeros(len(images), dtype=torch.long))


def region_loss(regions: Tensor, phrases: Tensor, true: Tensor, scale: Tensor) -> Tensor:
    """Things' features (R, D) against phrases (M, D), where `true` is (M, R)."""
    return both_ways(scale * phrases @ regions.T, true)


def pointing_loss(
    patches: Tensor, phrases: Tensor, phrase_scenes: Tensor, inside: Tensor, true: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor]:
    """Patches (B, N, D) against phrases (M, D).

    First: within a phrase's own scene, how little of the softmax over patches lies where `inside` (M, N)
    says that the named things are; phrases that name nothing are left out. Second: over the batch, the best
    patch of each scene against the phrases, where `true` is (M, B).
    """
    logits = scale * torch.einsum("md,bnd->mbn", phrases, patches)
    own = logits[torch.arange(len(phrases)), phrase_scenes]
    names = inside.any(1)
    within = own[names].masked_fill(~inside[names], -torch.inf).logsumexp(1)
    return (own[names].logsumexp(1) - within).mean(), both_ways(logits.amax(2), true)
