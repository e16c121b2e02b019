"""The probability of a pair in a model with a scale and a bias."""

import math
from typing import Any

import numpy as np
import pytest

from visreward.protocol import Code, Item
from visreward_service.scorers.base import (
    Catalog,
    Fault,
    ImageEncoding,
    ImageFeatures,
    ModelFacts,
    Score,
    Subject,
    TextFeatures,
)
from visreward_service.scorers.siglip import SigLip, SigLipParams

IMAGE = "a" * 64


def facts(scale: float | None, bias: float | None) -> Catalog:
    model = ModelFacts(frozenset({"pooled"}), frozenset({"short"}), scale, bias)
    return Catalog(models={"siglip2": model})


def run(text: str | None, degrees: float, catalog: Catalog, **params: Any) -> Score:
    scorer = SigLip(SigLipParams.model_validate(params), catalog)
    subject = Subject(Item(id="1", completion=text or "", images=[IMAGE]), {"completion": text})
    radians = np.deg2rad(degrees)
    image = np.array([1, 0], dtype=np.float32)
    vector = np.array([np.cos(radians), np.sin(radians)], dtype=np.float32)
    results = {
        work: ImageFeatures(image) if isinstance(work, ImageEncoding) else TextFeatures(vector, 4, False)
        for work in scorer.prepare(subject)
    }
    return scorer.finish(subject, results)


def test_the_probability_is_the_sigmoid_of_the_scaled_cosine_and_the_bias() -> None:
    score = run("a cat", 80, facts(117.3, -12.9))
    cos = score.values["cos"]
    assert cos == pytest.approx(math.cos(math.radians(80)), abs=1e-6)
    assert score.values["probability"] == pytest.approx(1 / (1 + math.exp(-(117.3 * cos - 12.9))), rel=1e-12)


@pytest.mark.parametrize(("degrees", "probability"), [(0.0, 1.0), (180.0, 0.0)])
def test_extreme_logits_do_not_overflow(degrees: float, probability: float) -> None:
    assert run("a cat", degrees, facts(1e6, -10.0)).values["probability"] == probability


@pytest.mark.parametrize(("scale", "bias"), [(100.0, None), (None, -10.0)])
def test_a_model_without_a_bias_or_a_scale_is_refused_when_the_recipe_is_read(
    scale: float | None, bias: float | None
) -> None:
    with pytest.raises(ValueError, match='model "siglip2" has no logit scale and bias'):
        run("a cat", 0, facts(scale, bias))


def test_details_name_the_cosine_of_each_image_and_the_probability_is_of_the_merged_one() -> None:
    scorer = SigLip(SigLipParams(image="max"), facts(10.0, 0.0))
    other = "b" * 64
    subject = Subject(Item(id="1", completion="a cat", images=[IMAGE, other]), {"completion": "a cat"})
    axes = dict(zip((IMAGE, other), np.eye(2, dtype=np.float32)))
    results: dict[Any, Any] = {
        work: ImageFeatures(axes[work.digest])
        if isinstance(work, ImageEncoding)
        else TextFeatures(np.array([0.6, 0.8], dtype=np.float32), 4, False)
        for work in scorer.prepare(subject)
    }
    score = scorer.finish(subject, results)
    assert score.details["per_image"] == pytest.approx([0.6, 0.8])
    assert score.values["probability"] == pytest.approx(1 / (1 + math.exp(-8)), rel=1e-6)


def test_a_blank_text_is_probability_zero_no_value_or_an_error_as_the_recipe_says() -> None:
    catalog = facts(100.0, -10.0)
    assert run(" ", 0, catalog).values == {"probability": 0.0, "cos": 0.0}
    assert not run(None, 0, catalog, absent="not_applicable").applicable
    with pytest.raises(Fault) as caught:
        run(None, 0, catalog, absent="fault")
    assert caught.value.code is Code.NOT_APPLICABLE
