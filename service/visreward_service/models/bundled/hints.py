"""Linear classifiers that regions and texts share during training, and that are thrown away after it.

While no picture shows where a thing is, no text gains by saying it, and the other way round: both towers
learn to leave it out, and stay there for thousands of steps. One classifier of the place (and of the
number) for both gives each of them a reason of its own, and the same direction.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visreward_service.models.bundled.batches import ATTRIBUTES, COUNT, OPEN, PLACE, RELATIONS

SHARPNESS = 10.0
"""Features come normalised; the classifiers see them this much larger."""


class Hints(nn.Module):
    """Classifiers of count, place and relation over features of `size` dimensions."""

    def __init__(self, size: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        sizes = {"count": len(ATTRIBUTES[COUNT]), "place": len(ATTRIBUTES[PLACE]), "relation": len(RELATIONS)}
        self.weights = nn.ParameterDict(
            {name: torch.randn(count, size, generator=generator) / size**0.5 for name, count in sizes.items()}
        )

    def of_attributes(self, features: Tensor, attributes: Tensor) -> Tensor:
        """Count and place of phrases or regions (N, D), from their attributes (N, 6)."""
        count = self.classify("count", features, attributes[:, COUNT])
        return count + self.classify("place", features, attributes[:, PLACE])

    def of_captions(self, features: Tensor, labels: Tensor) -> Tensor:
        """Relation and place of captions (N, D), from their labels (N, 2)."""
        relation = self.classify("relation", features, labels[:, 0])
        return relation + self.classify("place", features, labels[:, 1])

    def classify(self, name: str, features: Tensor, labels: Tensor) -> Tensor:
        """The cross entropy where there is a label; 0 where there is none at all."""
        logits = SHARPNESS * features @ self.weights[name].T
        total = F.cross_entropy(logits, labels, ignore_index=OPEN, reduction="sum")
        return total / (labels != OPEN).sum().clamp(min=1)
