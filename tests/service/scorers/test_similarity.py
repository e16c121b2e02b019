"""The cosine of two images of an item."""

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
)
from visreward_service.scorers.similarity import Similarity, SimilarityParams

CATALOG = Catalog(models={"fgclip": ModelFacts(frozenset({"pooled"}), frozenset({"short"}))})
DIGESTS = ["a" * 64, "b" * 64, "c" * 64]
ANGLES = dict(zip(DIGESTS, (0.0, 60.0, 90.0)))


def run(num_images: int, **params: Any) -> Score:
    scorer = Similarity(SimilarityParams.model_validate(params), CATALOG)
    subject = Subject(Item(id="1", completion="", images=DIGESTS[:num_images]), {})
    results: dict[Any, Any] = {}
    for work in scorer.prepare(subject):
        assert isinstance(work, ImageEncoding)
        radians = np.deg2rad(ANGLES[work.digest])
        results[work] = ImageFeatures(np.array([np.cos(radians), np.sin(radians)], dtype=np.float32))
    return scorer.finish(subject, results)


def test_the_first_two_images_are_compared_unless_the_recipe_names_others() -> None:
    assert run(3).values["cos"] == pytest.approx(0.5, abs=1e-6)
    assert run(3, second=2).values["cos"] == pytest.approx(0.0, abs=1e-6)


def test_an_item_that_lacks_an_image_is_an_error_or_has_no_value() -> None:
    with pytest.raises(Fault, match="the item has 1") as caught:
        run(1)
    assert caught.value.code is Code.MISSING_FIELD
    assert not run(1, absent="not_applicable").applicable


def test_an_image_is_not_compared_with_itself() -> None:
    with pytest.raises(ValueError, match="the same image"):
        run(2, first=1)
