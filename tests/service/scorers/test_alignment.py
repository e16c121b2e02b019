"""The `alignment` scorer: which image and text it compares, and what it says where one is missing."""

from typing import Any

import numpy as np
import pytest

from visreward.protocol import Code, Item
from visreward_service.scorers.alignment import Alignment, AlignmentParams, cosine
from visreward_service.scorers.base import (
    Catalog,
    Fault,
    ImageEncoding,
    ImageFeatures,
    ModelFacts,
    Subject,
    TextEncoding,
    TextFeatures,
)

CATALOG = Catalog(models={"fgclip": ModelFacts(frozenset({"pooled"}), frozenset({"short", "long"}))})
FIRST, SECOND = "a" * 64, "b" * 64


def build(**params: Any) -> Alignment:
    return Alignment(AlignmentParams.model_validate({"text": "caption", **params}), CATALOG)


def make_subject(caption: str | None = "a cat", images: tuple[str, ...] = (FIRST,)) -> Subject:
    return Subject(Item(id="1", completion="", images=list(images)), {"caption": caption})


def vector(*numbers: float) -> Any:
    return np.array(numbers, dtype=np.float32)


def results(text: str = "a cat", branch: Any = "short", *, truncated: bool = False) -> dict[Any, Any]:
    return {
        ImageEncoding("fgclip", FIRST): ImageFeatures(vector(1, 0)),
        ImageEncoding("fgclip", SECOND): ImageFeatures(vector(0, 1)),
        TextEncoding("fgclip", text, branch): TextFeatures(
            vector(0.6, 0.8), num_tokens=4, truncated=truncated
        ),
    }


def test_it_asks_for_one_text_and_one_image_and_gives_their_cosine() -> None:
    scorer = build(branch="long")
    work = scorer.prepare(make_subject())
    assert set(work) == {TextEncoding("fgclip", "a cat", "long"), ImageEncoding("fgclip", FIRST)}
    score = scorer.finish(make_subject(), results(branch="long"))
    assert score.values == {"cos": float(np.float32(0.6))}
    assert score.details == {"cos": float(np.float32(0.6)), "tokens": 4, "truncated": False}


@pytest.mark.parametrize(("image", "expected"), [("first", 0.6), ("max", 0.8), ("mean", (0.6 + 0.8) / 2)])
def test_several_images_are_scored_as_the_recipe_chooses(image: str, expected: float) -> None:
    scorer, subject = build(image=image), make_subject(images=(FIRST, SECOND))
    assert len(scorer.prepare(subject)) == (2 if image == "first" else 3)
    assert scorer.finish(subject, results()).values["cos"] == pytest.approx(expected, abs=1e-7)


def test_several_images_are_an_error_where_the_recipe_wants_one() -> None:
    with pytest.raises(Fault) as caught:
        build(image="only").prepare(make_subject(images=(FIRST, SECOND)))
    assert (caught.value.code, caught.value.field) == (Code.INVALID_ITEM, "images")
    assert build(image="only").prepare(make_subject())


def test_an_item_without_an_image_is_an_error() -> None:
    with pytest.raises(Fault) as caught:
        build().prepare(make_subject(images=()))
    assert (caught.value.code, caught.value.field) == (Code.MISSING_FIELD, "images")


@pytest.mark.parametrize("caption", [None, "", " \n"])
def test_a_missing_text_is_zero_without_asking_the_model(caption: str | None) -> None:
    scorer, subject = build(), make_subject(caption)
    assert scorer.prepare(subject) == ()
    score = scorer.finish(subject, {})
    assert (score.values, score.details) == ({"cos": 0.0}, {"status": "missing_section"})


@pytest.mark.parametrize("caption", [None, ""])
def test_a_missing_text_can_be_encoded_as_the_empty_text(caption: str | None) -> None:
    scorer, subject = build(absent="encode_empty"), make_subject(caption)
    assert TextEncoding("fgclip", "", "short") in scorer.prepare(subject)
    assert scorer.finish(subject, results("")).values["cos"] == pytest.approx(0.6)


def test_a_missing_text_can_be_not_applicable_or_an_error() -> None:
    assert not build(absent="not_applicable").finish(make_subject(None), {}).applicable
    with pytest.raises(Fault) as caught:
        build(absent="fault").prepare(make_subject(None))
    assert caught.value.code is Code.NOT_APPLICABLE


def test_a_text_longer_than_the_model_reads_is_an_error_unless_the_recipe_has_it_cut_off() -> None:
    with pytest.raises(Fault) as caught:
        build().finish(make_subject(), results(truncated=True))
    assert caught.value.code is Code.TEXT_TOO_LONG
    score = build(over_limit="truncate").finish(make_subject(), results(truncated=True))
    assert score.details["truncated"] is True


def test_equal_vectors_give_equal_bits_wherever_they_lie_in_memory() -> None:
    rng = np.random.default_rng(5)
    for size in (2, 255, 512, 768):
        batch = rng.standard_normal((9, size)).astype(np.float32)
        batch /= np.linalg.norm(batch, axis=1, keepdims=True)
        strided = np.asfortranarray(batch)
        for row in range(8):
            expected = cosine(batch[row].copy(), batch[8].copy())
            assert cosine(batch[row], batch[8]) == expected
            assert cosine(strided[row], strided[8]) == expected
            assert np.float32(expected) == expected


def test_an_unknown_branch_is_refused_when_the_scorer_is_built() -> None:
    with pytest.raises(ValueError, match="no box texts"):
        build(branch="box")
