"""The alignment scorer: the cosine of an image and a piece of text in a model's space."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from visreward.protocol import Code, Item
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
    TextFeatures,
    Vector,
    Work,
)

ImageChoice = Literal["first", "only", "mean", "max"]


def cosine(first: Vector, second: Vector) -> float:
    """Return the cosine of two L2-normalised vectors of the same length, rounded to float32.

    The products are exact in binary64 and are summed in a fixed order: equal vectors give equal bits.
    """
    products = first.astype(np.float64) * second.astype(np.float64)
    return float(np.float32(np.add.reduce(products)))


def choose_images(item: Item, choice: ImageChoice) -> Sequence[str]:
    """Return the digests of the images to score. Raise `Fault` where there is none, or not only one."""
    if not item.images:
        raise Fault(Code.MISSING_FIELD, "the item has no image", field="images")
    if choice == "only" and len(item.images) > 1:
        message = f"the recipe scores items of one image; this one has {len(item.images)}"
        raise Fault(Code.INVALID_ITEM, message, field="images")
    return item.images[:1] if choice in ("first", "only") else item.images


def merge_cosines(cosines: Sequence[float], choice: ImageChoice) -> float:
    """Return the largest cosine or the mean, which for one image is its own."""
    return max(cosines) if choice == "max" else sum(cosines) / len(cosines)


def check_model(catalog: Catalog, model: str, branch: str, view: str = "pooled") -> None:
    """Raise ValueError where the model is known and has no such branch or view."""
    facts = catalog.models.get(model)
    if facts is None:
        return  # whoever binds the recipe names the unknown model
    if branch not in facts.branches:
        raise ValueError(f'model "{model}" has no {branch} texts; it has {", ".join(sorted(facts.branches))}')
    if view not in facts.views:
        raise ValueError(f'model "{model}" has no {view} view; it has {", ".join(sorted(facts.views))}')


def check_truncation(features: TextFeatures, over_limit: Literal["fault", "truncate"], field: str) -> None:
    """Raise `Fault` where the model did not see the whole text and that is not wanted."""
    if features.truncated and over_limit == "fault":
        message = f"the text has {features.num_tokens} tokens, more than the model reads"
        raise Fault(Code.TEXT_TOO_LONG, message, field=field)


class AlignmentParams(Params):
    model: str = "fgclip"
    text: str
    """The piece to compare with the image."""
    branch: Branch = "short"
    image: ImageChoice = "first"
    """`first`; `only`, an error where there are several; the `mean` or `max` cosine over all."""
    absent: Literal["zero", "encode_empty", "not_applicable", "fault"] = "zero"
    """What an absent or blank piece is: cosine 0 without asking the model; the cosine of the empty text; no
    value; an error of the item."""
    over_limit: Literal["fault", "truncate"] = "fault"
    """What a text is that has more tokens than the model reads: an error, or cut off and reported."""


class Alignment(Scorer[AlignmentParams]):
    """The cosine of an image and a text, both L2-normalised: the coarse reward of PeBR-R1 (arXiv 2509.13031).

    Its output is `cos`, -1..1; what a cosine is worth is the recipe's `value`.
    """

    Params = AlignmentParams
    summary = "cosine of an image and a piece of text in a model's space"

    def __init__(self, params: AlignmentParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        check_model(catalog, params.model, params.branch)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("cos",)

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"images"})

    @property
    def quick(self) -> bool:
        return self.params.text == "completion"  # a piece of it has to be found first

    def prepare(self, subject: Subject) -> Sequence[Work]:
        text = self._read(subject)
        return () if text is None else (self._text(text), *self._images(subject))

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:
        text = self._read(subject)
        if text is None and self.params.absent == "not_applicable":
            return Score.not_applicable("missing_section")
        if text is None:
            return Score(dict.fromkeys(self.outputs, 0.0), {"status": "missing_section"})
        found: TextFeatures = results[self._text(text)]
        check_truncation(found, self.params.over_limit, "completion")
        cosines = [cosine(results[image].vectors, found.vector) for image in self._images(subject)]
        cos = merge_cosines(cosines, self.params.image)
        details = {"cos": cos, "tokens": found.num_tokens, "truncated": found.truncated}
        return Score(self._values(cos), details if len(cosines) == 1 else {**details, "per_image": cosines})

    def _values(self, cos: float) -> Mapping[str, float]:
        """Return the numbers of a cosine by name, as `outputs` has them."""
        return {"cos": cos}

    def _read(self, subject: Subject) -> str | None:
        """Return the text to encode; None where there is nothing to ask the model."""
        text = subject.text(self.params.text)
        if self.params.absent == "encode_empty":
            return text or ""
        if text is not None and text.strip():
            return text
        if self.params.absent == "fault":
            raise Fault(Code.NOT_APPLICABLE, f'the piece "{self.params.text}" is absent', field="completion")
        return None

    def _text(self, text: str) -> TextEncoding:
        return TextEncoding(self.params.model, text, self.params.branch)

    def _images(self, subject: Subject) -> list[ImageEncoding]:
        digests = choose_images(subject.item, self.params.image)
        return [ImageEncoding(self.params.model, digest) for digest in digests]
