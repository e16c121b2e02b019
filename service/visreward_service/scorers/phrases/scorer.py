"""The phrases scorer: which phrases of a completion the image supports, and where."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from visreward.protocol import Code, Phrase
from visreward_service.scorers.alignment import check_model, check_truncation, choose_images, cosine
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
    View,
    Work,
)
from visreward_service.scorers.phrases.aggregates import aggregate
from visreward_service.scorers.phrases.heatmap import draw_heatmap
from visreward_service.scorers.phrases.nouns import Chunker, check_chunker, load_chunker, noun_phrases
from visreward_service.scorers.phrases.regions import Map, Patches, grow_box

OUTPUTS = ("mean", "min", "soft_min", "fraction", "num_phrases")
Positive = Annotated[float, Field(gt=0, strict=False)]


class PhrasesParams(Params):
    model: str = "fgclip"
    source: Literal["completion", "reference"] = "completion"
    """`completion`: noun phrases of the piece `text`; `reference`: those of `reference.phrases`."""
    text: str = "completion"
    branch: Branch = "short"
    image: Literal["first", "only"] = "first"
    against: Literal["patch", "box", "image"] = "patch"
    """What a phrase is compared with: the patch most like it; the phrase's own box, or the best box where it
    has none; the pooled image."""
    chunker: Chunker = "textblob"
    determiners: Literal["drop", "keep"] = "drop"
    max_characters: Annotated[int, Field(ge=1, le=100_000)] = 4_000
    """Of the text, read from its start."""
    max_phrases: Annotated[int, Field(ge=1, le=256)] = 32
    max_words: Annotated[int, Field(ge=1, le=32)] = 8
    """Of a phrase of the completion; the last words are kept."""
    threshold: Annotated[float, Field(strict=False)] = 0.25
    """A score from here up counts for `fraction`."""
    sharpness: Positive = 20.0
    """Of `soft_min`."""
    grow: Annotated[float, Field(ge=0, le=1, strict=False)] = 0.3
    """How far from the map's median to its peak a patch must be to belong to the best box."""
    calibration: Literal["none", "negatives"] = "none"
    """`negatives`: a phrase's score is its probability among itself and its own negatives."""
    heatmap: bool = False
    """Whether details hold a picture of each phrase's similarity map."""
    over_limit: Literal["fault", "truncate"] = "truncate"


@dataclass(frozen=True, slots=True)
class Views:
    """What phrases are compared with."""

    patches: Patches
    pooled: Vector | None
    """Only where phrases are compared with the whole image."""


class Phrases(Scorer[PhrasesParams]):
    """Cosines of phrases with an image's patches, a box or the whole image, and numbers over the phrases.

    An extension of visreward's own, after FG-CLIP's region alignment (arXiv 2505.05071, section 3.2); no part
    of PeBR-R1. Boxes in details are `[x1, y1, x2, y2]`, 0..1 of the whole image.
    """

    Params = PhrasesParams
    summary = "cosines of noun phrases with an image's patches or boxes: mean, least, soft least, share"

    def __init__(self, params: PhrasesParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        check_model(catalog, params.model, params.branch, "dense")
        if params.against == "image":
            check_model(catalog, params.model, params.branch)
        if params.source == "completion":
            check_chunker(params.chunker)
        facts = catalog.models.get(params.model)
        self._scale = facts.logit_scale if facts is not None else None
        if params.calibration == "negatives":
            if params.source != "reference":
                raise ValueError(
                    'calibration "negatives" needs source = "reference": they come with the phrases'
                )
            if facts is not None and self._scale is None:
                raise ValueError(f'model "{params.model}" has no logit scale, which calibration needs')

    @property
    def outputs(self) -> tuple[str, ...]:
        return OUTPUTS

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"images"})

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({"reference.phrases"} if self.params.source == "reference" else ())

    @property
    def pieces(self) -> frozenset[str]:
        return frozenset({self.params.text} if self.params.source == "completion" else ())

    def warm(self) -> None:
        if self.params.source == "completion":
            load_chunker(self.params.chunker)

    def prepare(self, subject: Subject) -> Sequence[Work]:
        phrases, _ = self._find(subject)
        if not phrases:
            return ()
        texts = [text for phrase in phrases for text in (phrase.text, *self._negatives(phrase))]
        return (*self._images(subject), *(self._encode(text) for text in dict.fromkeys(texts)))

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:
        phrases, found = self._find(subject)
        if not phrases:
            return Score.not_applicable("no_phrases", **found)
        found_views = [results[work].vectors for work in self._images(subject)]
        views = Views(Patches.of(found_views[0]), found_views[1] if len(found_views) > 1 else None)
        judged = [self._judge(phrase, views, results) for phrase in phrases]
        numbers = aggregate(
            [one["score"] for one in judged],
            threshold=self.params.threshold,
            sharpness=self.params.sharpness,
        )
        return Score(numbers.values(), {**found, "phrases": judged})

    def _find(self, subject: Subject) -> tuple[Sequence[Phrase], dict[str, Any]]:
        """Return the phrases to score, and what was left out of them."""
        if self.params.source == "reference":
            phrases: Sequence[Phrase] = subject.item.reference.phrases or ()
            _check(phrases)
            left_out: dict[str, Any] = {}
        else:
            text = subject.text(self.params.text) or ""
            limit = self.params.max_characters
            names = noun_phrases(
                text[:limit],
                chunker=self.params.chunker,
                keep_determiners=self.params.determiners == "keep",
                max_words=self.params.max_words,
            )
            phrases = [Phrase(text=name) for name in names]
            left_out = {"characters_not_read": len(text) - limit} if len(text) > limit else {}
        if len(phrases) > self.params.max_phrases:
            left_out["phrases_not_scored"] = len(phrases) - self.params.max_phrases
        return phrases[: self.params.max_phrases], left_out

    def _negatives(self, phrase: Phrase) -> Sequence[str]:
        if self.params.calibration == "none":
            return ()
        if not phrase.negatives:
            message = f'the phrase "{phrase.text[:80]}" has no negatives to compare it with'
            raise Fault(Code.MISSING_FIELD, message, field="reference.phrases")
        return phrase.negatives

    def _images(self, subject: Subject) -> list[ImageEncoding]:
        """Return the dense view and, where it is asked for, the pooled one behind it."""
        digest = choose_images(subject.item, self.params.image)[0]
        views: tuple[View, ...] = ("dense", "pooled") if self.params.against == "image" else ("dense",)
        return [ImageEncoding(self.params.model, digest, view) for view in views]

    def _encode(self, text: str) -> TextEncoding:
        return TextEncoding(self.params.model, text, self.params.branch)

    def _judge(self, phrase: Phrase, views: Views, results: Mapping[Work, Any]) -> dict[str, Any]:
        """Return what details say of a phrase; `score` is the number that is aggregated."""
        features: TextFeatures = results[self._encode(phrase.text)]
        check_truncation(features, self.params.over_limit, "completion")
        similarities = _locate(views, features)
        region = grow_box(similarities, grow=self.params.grow)
        cos = self._compare(views, features, similarities, phrase.box or region.box)
        judged: dict[str, Any] = {
            "phrase": phrase.text,
            "score": cos,
            "cos": cos,
            "best_patch": region.peak,
            "best_box": list(region.box),
        }
        if features.truncated:
            judged["truncated"] = True
        if phrase.box is not None:
            judged["box"] = phrase.box
        negatives = [results[self._encode(text)] for text in self._negatives(phrase)]
        if negatives:
            others = [self._compare(views, other, _locate(views, other), phrase.box) for other in negatives]
            judged |= {"score": self._probability(cos, others), "negatives": others}
        if self.params.heatmap:
            judged["heatmap"] = draw_heatmap(similarities)
        return judged

    def _compare(
        self, views: Views, text: TextFeatures, similarities: Map, box: Sequence[float] | None
    ) -> float:
        """Return the cosine with what a phrase is compared with; without a box, with the text's own best."""
        if self.params.against == "patch":
            cos = float(similarities.max())
        elif views.pooled is not None:
            cos = cosine(views.pooled, text.vector)
        else:
            place = box or grow_box(similarities, grow=self.params.grow).box
            cos = cosine(views.patches.pool(place), text.vector)
        if not math.isfinite(cos):
            raise Fault(Code.NOT_FINITE, "a phrase has no finite cosine with the image")
        return cos

    def _probability(self, cos: float, others: Sequence[float]) -> float:
        """Return the softmax of the phrase among its negatives, at the model's logit scale."""
        if self._scale is None:
            raise Fault(Code.NOT_APPLICABLE, f'model "{self.params.model}" has no logit scale')
        return 1 / math.fsum([1.0, *(math.exp(min(self._scale * (other - cos), 700.0)) for other in others)])


def _locate(views: Views, text: TextFeatures) -> Map:
    """Return the similarity map of a text. Raise `Fault` where it is not finite."""
    similarities = views.patches.similarities(text.vector)
    if not np.isfinite(similarities).all():
        raise Fault(Code.NOT_FINITE, "a patch has no finite cosine with a phrase")
    return similarities


def _check(phrases: Sequence[Phrase]) -> None:
    """Raise `Fault` where a box is not one in units of the image, or a phrase is blank."""
    for phrase in phrases:
        if not phrase.text.strip():
            raise Fault(Code.INVALID_ITEM, "a phrase is blank", field="reference.phrases")
        if phrase.box is None:
            continue
        x1, y1, x2, y2 = phrase.box
        if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
            message = f"the box {phrase.box} is not [x1, y1, x2, y2] with 0 <= x1 < x2 <= 1, the same for y"
            raise Fault(Code.INVALID_ITEM, message, field="reference.phrases")
