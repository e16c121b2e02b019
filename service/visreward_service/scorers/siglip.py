"""The siglip scorer: the probability that a text belongs to an image, as a sigmoid-trained model gives it."""

import math
from collections.abc import Mapping
from typing import Literal

from visreward.protocol import Code
from visreward_service.scorers.alignment import Alignment, AlignmentParams
from visreward_service.scorers.base import Catalog, Fault


class SigLipParams(AlignmentParams):
    model: str = "siglip2"
    text: str = "completion"
    over_limit: Literal["fault", "truncate"] = "truncate"


class SigLip(Alignment):
    """sigmoid(cos * exp(logit_scale) + logit_bias): the pair's probability (arXiv 2303.15343, 3.2).

    Probabilities of a pair on its own, 0..1; they do not add up over texts. `cos` is the cosine itself; over
    several images it is merged before it becomes a probability. An absent text has probability 0.
    """

    Params = SigLipParams
    summary = "probability of an image-text pair from a SigLIP model's own scale and bias"

    def __init__(self, params: SigLipParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        facts = catalog.models.get(params.model)
        if facts is not None and (facts.logit_scale is None or facts.logit_bias is None):
            raise ValueError(f'model "{params.model}" has no logit scale and bias; siglip needs both')
        # Whoever binds the recipe refuses an unknown model; its cosines would have no finite logit here.
        self._scale = math.nan if facts is None or facts.logit_scale is None else facts.logit_scale
        self._bias = math.nan if facts is None or facts.logit_bias is None else facts.logit_bias

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("probability", "cos")

    def _values(self, cos: float) -> Mapping[str, float]:
        logit = cos * self._scale + self._bias
        if not math.isfinite(logit):
            raise Fault(Code.NOT_FINITE, "the pair has no finite logit")
        odds = math.exp(-abs(logit))
        return {"probability": (1.0 if logit >= 0 else odds) / (1 + odds), "cos": cos}
