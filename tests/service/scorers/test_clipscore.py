"""CLIPScore and RefCLIPScore against their formulas."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from visreward.protocol import Code, Item, Reference
from visreward_service.scorers.base import (
    Catalog,
    Fault,
    ImageEncoding,
    ImageFeatures,
    ModelFacts,
    Score,
    Subject,
    TextEncoding,
    TextFeatures,
)
from visreward_service.scorers.clipscore import ClipScore, ClipScoreParams

CATALOG = Catalog(models={"fgclip": ModelFacts(frozenset({"pooled"}), frozenset({"short"}))})
IMAGE = "a" * 64


def build(**params: Any) -> ClipScore:
    return ClipScore(ClipScoreParams.model_validate(params), CATALOG)


def unit(degrees: float) -> Any:
    radians = np.deg2rad(degrees)
    return np.array([np.cos(radians), np.sin(radians)], dtype=np.float32)


def run(
    scorer: ClipScore, caption: str, angles: Mapping[str, float], references: list[str] | None = None
) -> Score:
    """Score a caption; texts lie at `angles` (in degrees, by text with prefix), the image at 0."""
    item = Item(id="1", completion=caption, images=[IMAGE], reference=Reference(captions=references))
    subject = Subject(item, {"completion": caption})
    results: dict[Any, Any] = {}
    for work in scorer.prepare(subject):
        if isinstance(work, ImageEncoding):
            results[work] = ImageFeatures(unit(0))
        else:
            assert isinstance(work, TextEncoding)
            results[work] = TextFeatures(unit(angles[work.text]), num_tokens=9, truncated=False)
    return scorer.finish(subject, results)


def cos(degrees: float) -> float:
    return float(np.float32(unit(degrees)[0]))


def test_clipscore_is_two_and_a_half_times_the_cosine_with_the_prompted_text() -> None:
    score = run(build(), "a cat", {"A photo depicts a cat": 60})
    assert score.values == {"clipscore": 2.5 * cos(60), "cos": cos(60)}


def test_a_negative_cosine_is_worth_zero() -> None:
    score = run(build(), "a cat", {"A photo depicts a cat": 120})
    assert score.values["clipscore"] == 0.0
    assert score.values["cos"] < 0


def test_prefix_and_weight_are_parameters() -> None:
    score = run(build(prefix="", weight=100.0), "a cat", {"a cat": 60})
    assert score.values["clipscore"] == 100.0 * cos(60)


def test_refclipscore_is_the_harmonic_mean_with_the_nearest_prompted_reference() -> None:
    angles = {"A photo depicts a cat": 60, "A photo depicts cat": 80, "A photo depicts dog": 150}
    score = run(build(), "a cat", angles, ["dog", "cat"])
    a, b = 2.5 * cos(60), score.details["reference_cos"]
    assert b == pytest.approx(np.cos(np.deg2rad(20)), abs=1e-6)
    assert score.values["refclipscore"] == 2 * a * b / (a + b)


def test_the_paper_lifts_a_negative_reference_cosine_to_zero_and_the_code_does_not() -> None:
    angles = {"A photo depicts a cat": 60, "A photo depicts dog": 170}
    paper = run(build(variant="paper"), "a cat", angles, ["dog"])
    code = run(build(variant="code"), "a cat", angles, ["dog"])
    a, b = 2.5 * cos(60), code.details["reference_cos"]
    assert b < 0
    assert paper.values["refclipscore"] == 0.0
    assert code.values["refclipscore"] == 2 * a * b / (a + b)


def test_the_mean_of_two_zeros_is_zero_in_the_paper_and_no_number_in_the_code() -> None:
    angles = {"A photo depicts a cat": 180, "A photo depicts dog": 90}
    assert run(build(), "a cat", angles, ["dog"]).values["refclipscore"] == 0.0
    angles = {"A photo depicts a cat": 180, "A photo depicts dog": 180}
    item = run(build(variant="code"), "a cat", angles, ["dog"])
    assert item.values["refclipscore"] == 0.0
    with pytest.raises(Fault) as caught:
        build(variant="code")._mean(0.5, -0.5)
    assert caught.value.code is Code.NOT_FINITE


def embeddings(seed: int, *shape: int) -> Any:
    """Embeddings of 512 numbers that lean the same way, as those of images and captions do."""
    rows = np.random.default_rng(seed).normal(0.06, 1.0, (*shape, 512)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_stored_embeddings_score_as_in_the_authors_code() -> None:
    """`get_clip_score` and `get_refonlyclipscore` of clipscore.py, on 50 images with 5 references each."""
    images, captions, references = embeddings(1, 50), embeddings(2, 50), embeddings(3, 50, 5)
    expected = 2.5 * np.clip(np.sum(images * captions, axis=1), 0, None)
    nearest = np.max(np.einsum("nd,nrd->nr", captions, references), axis=1)
    expected_ref = 2 * expected * nearest / (expected + nearest)
    assert 0 < (expected == 0).mean() < 0.5
    scorer = build(variant="code")
    for at, (image, caption, others) in enumerate(zip(images, captions, references)):
        texts = {f"A photo depicts reference {n}": one for n, one in enumerate(others)}
        texts["A photo depicts a caption"] = caption
        reference = Reference(captions=[f"reference {n}" for n in range(5)])
        item = Item(id="1", completion="a caption", images=[IMAGE], reference=reference)
        subject = Subject(item, {"completion": "a caption"})
        results: dict[Any, Any] = {
            work: TextFeatures(texts[work.text], num_tokens=9, truncated=False)
            if isinstance(work, TextEncoding)
            else ImageFeatures(image)
            for work in scorer.prepare(subject)
        }
        values = scorer.finish(subject, results).values
        assert values["clipscore"] == pytest.approx(expected[at], abs=1e-6)
        assert values["refclipscore"] == pytest.approx(expected_ref[at], abs=1e-5)


def test_an_empty_caption_scores_zero_without_asking_the_model() -> None:
    subject = Subject(Item(id="1", completion=" ", images=[IMAGE]), {"completion": " "})
    assert build().prepare(subject) == ()
    assert build().finish(subject, {}).values == {"clipscore": 0.0, "cos": 0.0}


def test_required_references_are_needed_and_unwanted_ones_are_not_read() -> None:
    assert "reference.captions" in build(references="required").needs
    with pytest.raises(Fault) as caught:
        run(build(references="required"), "a cat", {"A photo depicts a cat": 60})
    assert (caught.value.code, caught.value.field) == (Code.MISSING_FIELD, "reference.captions")
    score = run(build(references="never"), "a cat", {"A photo depicts a cat": 60}, ["dog"])
    assert "refclipscore" not in score.values
