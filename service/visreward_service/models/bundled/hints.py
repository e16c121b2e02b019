"""Linear readers that pictures, things and texts share during training, and that are thrown away after it.

A feature is multiplied by a noun's code, and a reader says from the product what the feature tells of the
noun: its place, its number, or how it stands to another noun. Since one reader serves pictures and texts,
both come to keep a fact in the same direction, so that their cosine rises where they agree on it. The
contrast between whole features alone needs many times the steps: while no picture shows where a thing is, no
text gains by saying it, and the other way round.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visreward_service.models.bundled.facts import NUM_NOUNS, VALUES, Facts, Ids

SHARPNESS = 20.0
"""Features come normalised; the readers see them this much larger."""


class Hints(nn.Module):
    """Readers of facts over features of `size` dimensions."""

    def __init__(self, size: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.nouns = nn.Parameter(torch.randn(NUM_NOUNS, size, generator=generator))
        sizes = {name: len(values) for name, values in VALUES.items()} | {"axis": 2}
        self.readers = nn.ParameterDict(
            {name: torch.randn(count, size, generator=generator) / size**0.5 for name, count in sizes.items()}
        )

    def loss(self, features: Tensor, facts: Facts) -> Tensor:
        """The mean cross entropy of each kind of fact, summed, over features (N, D)."""
        kinds = [self.of_values(name, features, rows) for name, rows in facts.values.items()]
        if len(facts.relations):
            kinds.append(self.of_relations(features, facts.relations))
        return torch.stack(kinds).sum()

    def of_values(self, name: str, features: Tensor, rows: Ids) -> Tensor:
        feature, noun, value = torch.from_numpy(rows).unbind(1)
        told = features[feature] * self.nouns[noun]
        return F.cross_entropy(SHARPNESS * told @ self.readers[name].T, value)

    def of_relations(self, features: Tensor, rows: Ids) -> Tensor:
        """A noun has a number for each axis; of two nouns the one further left, or up, has the smaller."""
        feature, first, second, relation = torch.from_numpy(rows).unbind(1)
        told = features[feature] * (self.nouns[second] - self.nouns[first])
        further = SHARPNESS * (told * self.readers["axis"][relation // 2]).sum(1)
        return F.softplus(torch.where(relation % 2 == 1, further, -further)).mean()
