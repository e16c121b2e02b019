"""The CLIPScore scorer, and RefCLIPScore where an item brings reference captions."""

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


class ClipScoreParams(Params):
    model: str = "fgclip"
    text: str = "completion"
    branch: Branch = "short"
    prefix: str = "A photo depicts "
    """Stands before the text and before each reference caption."""
    weight: float = 2.5
    image: ImageChoice = "first"
    references: Literal["auto", "never", "required"] = "auto"
    """`auto`: RefCLIPScore where the item has `reference.captions`."""
    variant: Literal["paper", "code"] = "paper"
    """In the paper the largest cosine with a reference is at least 0; the code leaves it as it is."""
    over_limit: Literal["fault", "truncate"] = "truncate"
    """The authors' code cuts off texts with more tokens than the model reads."""


class ClipScore(Scorer[ClipScoreParams]):
    """CLIPScore (Hessel et al., EMNLP 2021, arXiv 2104.08718; jmhessel/clipscore `clipscore.py`).

    `clipscore` = weight * max(cos(image, text), 0). `refclipscore` is the harmonic mean of that number and of
    the largest cosine of the text with a reference caption. `cos` is the cosine itself. Cosines are float32.
    An absent or blank text has a CLIPScore of 0 without asking the model.
    """

    Params = ClipScoreParams
    summary = "CLIPScore: 2.5 * max(cosine, 0) with a prompt prefix; RefCLIPScore with reference captions"

    def __init__(self, params: ClipScoreParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        check_model(catalog, params.model, params.branch)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("clipscore", "refclipscore", "cos")

    @property
    def needs(self) -> frozenset[str]:
        required = self.params.references == "required"
        return frozenset({"images", "reference.captions"} if required else {"images"})

    def prepare(self, subject: Subject) -> Sequence[Work]:
        text = self._read(subject)
        references = self._references(subject)
        if text is None:
            return ()
        return (self._encode(text), *self._images(subject), *map(self._encode, references))

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:
        text = self._read(subject)
        references = self._references(subject)
        if text is None:
            values = {"clipscore": 0.0, "cos": 0.0} | ({"refclipscore": 0.0} if references else {})
            return Score(values, {"status": "empty_text"})
        found = results[self._encode(text)]
        check_truncation(found, self.params.over_limit, "completion")
        images = (results[image].vectors for image in self._images(subject))
        cos = merge_cosines([cosine(image, found.vector) for image in images], self.params.image)
        values = {"clipscore": self.params.weight * max(cos, 0.0), "cos": cos}
        details = {"cos": cos, "tokens": found.num_tokens, "truncated": found.truncated}
        if references:
            nearest = max(cosine(found.vector, results[self._encode(one)].vector) for one in references)
            values["refclipscore"] = self._mean(values["clipscore"], nearest)
            details["reference_cos"] = nearest
        return Score(values, details)

    def _mean(self, score: float, nearest: float) -> float:
        """Return the harmonic mean; of two zeros it is 0, its limit."""
        if self.params.variant == "paper":
            nearest = max(nearest, 0.0)
            if score == 0.0 and nearest == 0.0:
                return 0.0
        if score + nearest == 0.0:
            raise Fault(Code.NOT_FINITE, "RefCLIPScore divides by zero: the cosines cancel out")
        return 2 * score * nearest / (score + nearest)

    def _read(self, subject: Subject) -> str | None:
        text = subject.text(self.params.text)
        return text if text is not None and text.strip() else None

    def _references(self, subject: Subject) -> Sequence[str]:
        if self.params.references == "never":
            return ()
        captions = subject.item.reference.captions or ()
        if not captions and self.params.references == "required":
            raise Fault(Code.MISSING_FIELD, "the item has no captions", field="reference.captions")
        return captions

    def _encode(self, text: str) -> TextEncoding:
        return TextEncoding(self.params.model, self.params.prefix + text, self.params.branch)

    def _images(self, subject: Subject) -> list[ImageEncoding]:
        digests = choose_images(subject.item, self.params.image)
        return [ImageEncoding(self.params.model, digest) for digest in digests]
