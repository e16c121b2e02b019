"""The similarity scorer: the cosine of two images of an item, such as a rendering and its original."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from visreward.protocol import Code
from visreward_service.scorers.alignment import cosine
from visreward_service.scorers.base import (
    Catalog,
    Fault,
    ImageEncoding,
    Params,
    Score,
    Scorer,
    Subject,
    Work,
)

Index = Annotated[int, Field(ge=0)]


class SimilarityParams(Params):
    model: str = "fgclip"
    first: Index = 0
    """Place of an image in the item's `images`, counted from 0."""
    second: Index = 1
    absent: Literal["fault", "not_applicable"] = "fault"
    """What an item is that lacks one of the two: an error, or without a value."""


class Similarity(Scorer[SimilarityParams]):
    """The cosine of two pooled images: `cos`, -1..1.

    With `value = "(cos + 1) / 2"` it lies in 0..1. The same image twice has the cosine of the embedding with
    itself, 1 within float32.
    """

    Params = SimilarityParams
    summary = "cosine of two images of an item in a model's space"

    def __init__(self, params: SimilarityParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        if params.first == params.second:
            raise ValueError(f"first and second are the same image, number {params.first}")
        facts = catalog.models.get(params.model)
        if facts is not None and "pooled" not in facts.views:
            raise ValueError(f'model "{params.model}" has no pooled view')

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("cos",)

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"images"} if self.params.absent == "fault" else ())

    @property
    def reads(self) -> frozenset[str]:
        return frozenset() if self.params.absent == "fault" else frozenset({"images"})

    def prepare(self, subject: Subject) -> Sequence[Work]:
        return self._images(subject) or ()

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:
        images = self._images(subject)
        if images is None:
            return Score.not_applicable("missing_image")
        cos = cosine(*(results[image].vectors for image in images))
        if not math.isfinite(cos):
            raise Fault(Code.NOT_FINITE, "the images have no finite cosine")
        return Score({"cos": cos})

    def _images(self, subject: Subject) -> tuple[ImageEncoding, ImageEncoding] | None:
        digests, last = subject.item.images, max(self.params.first, self.params.second)
        if last < len(digests):
            first, second = (digests[at] for at in (self.params.first, self.params.second))
            return ImageEncoding(self.params.model, first), ImageEncoding(self.params.model, second)
        if self.params.absent == "fault":
            message = (
                f"the recipe compares images {self.params.first} and {self.params.second}, counted from 0"
            )
            raise Fault(Code.MISSING_FIELD, f"{message}; the item has {len(digests)}", field="images")
        return None
