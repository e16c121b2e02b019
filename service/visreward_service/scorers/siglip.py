"""The siglip scorer: the probability that a text belongs to an image, as a sigmoid-trained model gives it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from visreward.protocol import Code
from visreward_service.scorers.alignment import (
    ImageChoice,
    check_model,
    check_truncation,
    choose_images,
    cosine,
    merge_cosines,
)
from visreward_service.scorers.base import (
    Branch,
    Catalog,
    Fault,
    ImageEncoding,
    Params,
    Score,
    Scorer,
    Subject,
    TextEncoding,
    Work,
)


class SigLipParams(Params):
    model: str = "siglip2"
    text: str = "completion"
    branch: Branch = "short"
    image: ImageChoice = "first"
    """Over several images the cosine is merged, not the probability."""
    absent: Literal["zero", "not_applicable", "fault"] = "zero"
    """What an absent or blank piece is: probability 0 without asking the model; no value; an error."""
    over_limit: Literal["fault", "truncate"] = "truncate"


class SigLip(Scorer[SigLipParams]):
    """sigmoid(cos * exp(logit_scale) + logit_bias): the pair's probability (arXiv 2303.15343, 3.2).

    Probabilities of a pair on its own, 0..1; they do not add up over texts. `cos` is the cosine itself.
    """

    Params = SigLipParams
    summary = "probability of an image-text pair from a SigLIP model's own scale and bias"

    def __init__(self, params: SigLipParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        check_model(catalog, params.model, params.branch)
        facts = catalog.models.get(params.model)
        if facts is not None and (facts.logit_scale is None or facts.logit_bias is None):
            raise ValueError(f'model "{params.model}" has no logit scale and bias; siglip needs both')
        # Whoever binds the recipe refuses an unknown model; its cosines would have no finite logit here.
        self._scale = math.nan if facts is None or facts.logit_scale is None else facts.logit_scale
        self._bias = math.nan if facts is None or facts.logit_bias is None else facts.logit_bias

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("probability", "cos")

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"images"})

    def prepare(self, subject: Subject) -> Sequence[Work]:
        text = self._read(subject)
        return () if text is None else (self._encode(text), *self._images(subject))

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:
        text = self._read(subject)
        if text is None and self.params.absent == "not_applicable":
            return Score.not_applicable("missing_section")
        if text is None:
            return Score({"probability": 0.0, "cos": 0.0}, {"status": "missing_section"})
        found = results[self._encode(text)]
        check_truncation(found, self.params.over_limit, "completion")
        images = (results[image].vectors for image in self._images(subject))
        cos = merge_cosines([cosine(image, found.vector) for image in images], self.params.image)
        details = {"cos": cos, "tokens": found.num_tokens, "truncated": found.truncated}
        return Score({"probability": self._probability(cos), "cos": cos}, details)

    def _probability(self, cos: float) -> float:
        logit = cos * self._scale + self._bias
        if not math.isfinite(logit):
            raise Fault(Code.NOT_FINITE, "the pair has no finite logit")
        if logit >= 0:
            return 1 / (1 + math.exp(-logit))
        odds = math.exp(logit)
        return odds / (1 + odds)

    def _read(self, subject: Subject) -> str | None:
        text = subject.text(self.params.text)
        if text is not None and text.strip():
            return text
        if self.params.absent == "fault":
            raise Fault(Code.NOT_APPLICABLE, f'the piece "{self.params.text}" is absent', field="completion")
        return None

    def _encode(self, text: str) -> TextEncoding:
        return TextEncoding(self.params.model, text, self.params.branch)

    def _images(self, subject: Subject) -> list[ImageEncoding]:
        digests = choose_images(subject.item, self.params.image)
        return [ImageEncoding(self.params.model, digest) for digest in digests]
