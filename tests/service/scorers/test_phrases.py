"""Phrases: chunks of descriptions, similarity maps and boxes, aggregates, and the bundled model's figures."""

import base64
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visreward.protocol import Code, Item, Phrase, Reference
from visreward_service.models.bundled import SCENES_FGCLIP
from visreward_service.scenes import build_sample
from visreward_service.scenes.grammar import noun_of
from visreward_service.scenes.words import indefinite
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
from visreward_service.scorers.phrases import (
    Patches,
    Phrases,
    PhrasesParams,
    aggregate,
    grow_box,
    noun_phrases,
)

SCALE = 10.0
CATALOG = Catalog(
    models={"fgclip": ModelFacts(frozenset({"pooled", "dense"}), frozenset({"short"}), logit_scale=SCALE)}
)
IMAGE = "a" * 64
RED, BLUE, GREEN, NOTHING = np.eye(4, dtype=np.float32)
"""Red lies in two patches of the top row, blue in the bottom right one."""
GRID = np.array([[RED, RED, NOTHING], [NOTHING, NOTHING, BLUE]])
TEXTS: Mapping[str, Any] = {
    "red circle": RED,
    "blue square": BLUE,
    "green star": GREEN,
    "half red": np.array([0.6, 0, 0, 0.8], dtype=np.float32),
}


def build(catalog: Catalog = CATALOG, **params: Any) -> Phrases:
    return Phrases(PhrasesParams.model_validate(params), catalog)


def run(
    scorer: Phrases, text: str = "", phrases: list[Phrase] | None = None, dense: Any = GRID, pooled: Any = RED
) -> Score:
    item = Item(id="1", completion=text, images=[IMAGE], reference=Reference(phrases=phrases))
    subject = Subject(item, {"completion": text})
    results: dict[Any, Any] = {}
    for work in scorer.prepare(subject):
        if isinstance(work, ImageEncoding) and work.view == "dense":
            results[work] = ImageFeatures(dense)
        elif isinstance(work, ImageEncoding):
            results[work] = ImageFeatures(pooled)
        else:
            assert isinstance(work, TextEncoding)
            results[work] = TextFeatures(TEXTS[work.text], num_tokens=4, truncated=False)
    return scorer.finish(subject, results)


def test_noun_phrases_lose_their_determiner_and_come_once() -> None:
    text = "A red circle is to the left of the blue square. The red circle is small."
    assert noun_phrases(text) == ("red circle", "blue square")
    assert noun_phrases(text, keep_determiners=True) == ("a red circle", "the blue square")


def test_places_pronouns_and_the_picture_itself_are_no_phrases() -> None:
    assert noun_phrases("It is at the top of the image. There is nothing in the background.") == ()


def test_nouns_that_the_lexicon_takes_for_verbs_are_phrases_and_verbs_are_not() -> None:
    assert noun_phrases("A small green cross is at the top.") == ("small green cross",)
    assert noun_phrases("There are two small cyan crosses.") == ("two small cyan crosses",)
    assert noun_phrases("A small dog runs. The red lines cross the blue square.") == (
        "small dog",
        "red lines",
        "blue square",
    )
    assert noun_phrases("This shows a dog.") == ("dog",)


def test_a_long_phrase_keeps_its_head() -> None:
    assert noun_phrases("a very large old rusty green metal garden table", max_words=3) == (
        "metal garden table",
    )


def test_most_groups_of_scene_descriptions_are_found_as_they_are_named() -> None:
    named = found = 0
    for seed in range(7000, 7050):
        sample = build_sample(seed)
        phrases = noun_phrases(sample.description.text, keep_determiners=False)
        for group in sample.scene.groups:
            article, _, bare = indefinite(noun_of(group, sized=True)).partition(" ")
            named += 1
            found += (bare if article in ("a", "an") else f"{article} {bare}") in phrases
    assert found / named >= 0.95


@pytest.mark.parametrize("unit", ["a red ", ":-) ", "( ", "cross ", "x", "a\n\n", "a-b'", "é", "\u202e "])
def test_chunkers_see_hostile_text_in_short_windows(unit: str) -> None:
    phrases = noun_phrases((unit * 20_000)[:20_000])
    assert all(len(phrase.split()) <= 8 for phrase in phrases)


def test_only_the_start_of_a_long_completion_is_read_and_details_say_so() -> None:
    score = run(build(max_characters=20), "a red circle . . . . " + "a blue square " * 10_000)
    assert [one["phrase"] for one in score.details["phrases"]] == ["red circle"]
    assert score.details["characters_not_read"] == 21 + 140_000 - 20


def test_a_text_without_noun_phrases_asks_nothing_and_has_no_value() -> None:
    score = run(build(), "is it so?")
    assert not score.applicable
    assert score.details == {"status": "no_phrases"}


def test_each_phrase_is_scored_by_its_best_patch_and_the_numbers_are_over_phrases() -> None:
    score = run(build(threshold=0.5, sharpness=20), "a red circle, a green star and a blue square")
    assert [one["score"] for one in score.details["phrases"]] == [1.0, 0.0, 1.0]
    assert score.values["mean"] == pytest.approx(2 / 3)
    assert score.values["min"] == 0.0
    assert score.values["fraction"] == pytest.approx(2 / 3)
    assert score.values["num_phrases"] == 3
    expected = -np.log((1 + 2 * np.exp(-20.0)) / 3) / 20
    assert score.values["soft_min"] == pytest.approx(expected, rel=1e-9)


def test_the_soft_minimum_lies_between_the_minimum_and_the_mean_and_never_overflows() -> None:
    gentle = aggregate([-0.5, 0.1, 0.9], threshold=0, sharpness=1e-6)
    steep = aggregate([-0.5, 0.1, 0.9], threshold=0, sharpness=1e6)
    assert gentle.soft_min == pytest.approx(gentle.mean, abs=1e-5)
    assert steep.soft_min == pytest.approx(steep.min, abs=1e-5)


def test_the_best_box_grows_over_like_patches_that_touch() -> None:
    score = run(build(), "a red circle and a blue square")
    red, blue = (one["best_box"] for one in score.details["phrases"])
    assert red == [0, 0, 2 / 3, 0.5]
    assert blue == [2 / 3, 0.5, 1, 1]


def test_a_patch_that_is_alike_but_apart_stays_outside_the_box() -> None:
    similarities = np.array([[0.9, 0.1, 0.1, 0.8], [0.1, 0.1, 0.1, 0.1]], dtype=np.float32)
    region = grow_box(similarities, grow=0.5)
    assert region.box == (0, 0, 0.25, 0.5)
    assert region.num_patches == 1


def test_a_flat_map_has_the_whole_image_as_its_box() -> None:
    assert grow_box(np.full((3, 4), 0.2, dtype=np.float32), grow=0.5).box == (0, 0, 1, 1)


def test_a_given_box_is_scored_by_its_own_patches() -> None:
    inside = Phrase(text="red circle", box=[0, 0, 2 / 3, 0.5])
    outside = Phrase(text="red circle", box=[0, 0.5, 2 / 3, 1])
    score = run(build(source="reference", against="box"), phrases=[inside, outside])
    cosines = [one["score"] for one in score.details["phrases"]]
    assert cosines[0] > 0.9
    assert cosines[1] < 0.1
    assert score.details["phrases"][1]["best_box"] == [0, 0, 2 / 3, 0.5]


def test_pooling_in_a_box_is_roi_align_of_the_dense_view() -> None:
    torch = pytest.importorskip("torch")
    from visreward_service.models.networks import roi_weights

    random = np.random.default_rng(0)
    vectors = random.normal(size=(6 * 5, 8)).astype(np.float32)
    patches = Patches.of(vectors.reshape(6, 5, 8))
    for _ in range(50):
        x1, y1 = random.uniform(0, 0.7, 2)
        x2, y2 = x1 + random.uniform(0.02, 1 - x1), y1 + random.uniform(0.02, 1 - y1)
        weights = roi_weights(torch.tensor([[x1 * 5, y1 * 6, x2 * 5, y2 * 6]]), 6, 5).numpy()
        expected = (weights @ vectors)[0]
        pooled = patches.pool((x1, y1, x2, y2))
        np.testing.assert_allclose(pooled, expected / np.linalg.norm(expected), atol=1e-4)


def test_a_region_weighs_patches_by_their_length_and_a_cosine_does_not() -> None:
    """As in the reference, which pools features before it normalises them."""
    long = GRID.copy()
    long[0, 0] *= 3
    plain, stretched = Patches.of(GRID), Patches.of(long)
    assert np.array_equal(plain.similarities(RED), stretched.similarities(RED))
    whole = stretched.pool((0, 0, 1, 1))
    expected = long.reshape(-1, 4).sum(axis=0)
    np.testing.assert_allclose(whole, expected / np.linalg.norm(expected), atol=1e-6)
    assert float(whole @ RED) > float(plain.pool((0, 0, 1, 1)) @ RED)


def test_a_box_too_thin_for_float32_is_an_error_and_never_a_score() -> None:
    thin = Phrase(text="red circle", box=[0.5, 0.0, 0.5 + 1e-12, 1.0])
    with pytest.raises(Fault) as caught:
        run(build(source="reference", against="box"), phrases=[thin])
    assert caught.value.code is Code.NOT_FINITE
    assert np.isnan(Patches.of(GRID).pool((0.5, 0.5, 0.5, 0.5))).all()


@pytest.mark.parametrize("box", [[0.0, 0.0, 2.0, 1.0], [0.5, 0.0, 0.5, 1.0], [0.6, 0.0, 0.4, 1.0]])
def test_a_box_that_is_not_in_units_of_the_image_is_an_error_of_the_item(box: list[float]) -> None:
    with pytest.raises(Fault) as caught:
        run(build(source="reference"), phrases=[Phrase(text="red circle", box=box)])
    assert caught.value.code is Code.INVALID_ITEM


def test_against_the_image_the_pooled_vector_counts() -> None:
    score = run(build(against="image"), "a red circle and a blue square")
    assert [one["score"] for one in score.details["phrases"]] == [1.0, 0.0]


def test_negatives_turn_the_cosine_into_a_probability_at_the_models_scale() -> None:
    scorer = build(source="reference", calibration="negatives")
    score = run(scorer, phrases=[Phrase(text="half red", negatives=["green star", "red circle"])])
    (judged,) = score.details["phrases"]
    expected = np.exp(8.0) / (np.exp(8.0) + np.exp(0.0) + np.exp(10.0))
    assert judged["cos"] == pytest.approx(0.8)
    assert judged["score"] == pytest.approx(expected, rel=1e-5)
    assert score.values["mean"] == judged["score"]


def test_calibration_without_negatives_is_an_error_and_not_a_number() -> None:
    with pytest.raises(Fault) as caught:
        run(build(source="reference", calibration="negatives"), phrases=[Phrase(text="red circle")])
    assert caught.value.code is Code.MISSING_FIELD


def test_calibration_is_refused_where_it_can_never_work() -> None:
    with pytest.raises(ValueError, match='needs source = "reference"'):
        build(calibration="negatives")
    facts = ModelFacts(frozenset({"pooled", "dense"}), frozenset({"short"}))
    with pytest.raises(ValueError, match="no logit scale"):
        build(Catalog(models={"fgclip": facts}), source="reference", calibration="negatives")


def test_a_model_without_a_dense_view_is_refused_when_the_recipe_is_read() -> None:
    facts = ModelFacts(frozenset({"pooled"}), frozenset({"short"}))
    with pytest.raises(ValueError, match="no dense view"):
        build(Catalog(models={"fgclip": facts}))


def test_a_heatmap_is_a_small_picture_in_the_grids_proportions() -> None:
    (judged,) = run(build(heatmap=True), "a red circle").details["phrases"]
    data = base64.b64decode(judged["heatmap"])
    picture = Image.open(BytesIO(data))
    assert picture.format == "PNG"
    assert picture.size == (128, 85)
    assert len(data) < 20_000
    corner, far = picture.getpixel((0, 0)), picture.getpixel((127, 0))
    assert isinstance(corner, tuple)
    assert isinstance(far, tuple)
    assert sum(corner) > sum(far)
    assert "heatmap" not in run(build(), "a red circle").details["phrases"][0]


def test_a_map_that_is_not_finite_is_an_error_and_never_a_score() -> None:
    broken = GRID.copy()
    broken[0, 0, 0] = np.nan
    with pytest.raises(Fault) as caught:
        run(build(), "a red circle", dense=broken)
    assert caught.value.code is Code.NOT_FINITE


def test_phrases_beyond_the_limit_are_not_scored_and_are_counted() -> None:
    phrases = [Phrase(text="red circle"), Phrase(text="blue square"), Phrase(text="green star")]
    score = run(build(source="reference", max_phrases=2), phrases=phrases)
    assert score.values["num_phrases"] == 2
    assert score.details["phrases_not_scored"] == 1


@pytest.mark.skipif(not (SCENES_FGCLIP / "model.safetensors").is_file(), reason="no bundled weights")
def test_the_bundled_model_tells_true_phrases_from_false_ones_and_finds_them() -> None:
    from visreward_service.models import DecodedImage, ModelSettings, load_model

    model = load_model("fgclip", ModelSettings(kind="fgclip", source="bundled:scenes-fgclip", device="cpu"))
    true, false, covered = [], [], []
    for seed in range(60):
        sample = build_sample(seed)
        picture = sample.render()
        pixels = model.prepare_image(DecodedImage(np.asarray(picture)))
        (dense,) = model.encode_images([pixels], "dense")
        patches = Patches.of(dense)
        texts = [phrase.text for phrase in (*sample.phrases, *sample.false_phrases)]
        vectors = model.encode_texts(model.prepare_texts(texts, "short"), "short")
        maps = [patches.similarities(vector) for vector in vectors]
        true += [float(found.max()) for found in maps[: len(sample.phrases)]]
        false += [float(found.max()) for found in maps[len(sample.phrases) :]]
        for phrase, found in zip(sample.phrases, maps):
            box = np.array(grow_box(found, grow=PhrasesParams().grow).box) * picture.size[0]
            covered.append(max(share(box, thing) for thing in phrase.boxes) >= 0.5)
    auc = np.mean([[(a > b) + (a == b) / 2 for b in false] for a in true])
    assert auc >= 0.97
    assert np.mean(covered) >= 0.9


def share(box: Any, thing: Any) -> float:
    """The part of a thing's box that another box covers."""
    width = max(0.0, min(box[2], thing[2]) - max(box[0], thing[0]))
    height = max(0.0, min(box[3], thing[3]) - max(box[1], thing[1]))
    return float(width * height / ((thing[2] - thing[0]) * (thing[3] - thing[1])))
