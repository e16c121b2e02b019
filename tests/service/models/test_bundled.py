"""The bundled model is small and understands rendered scenes; its training goes on where it stopped."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copy

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor

from visreward_service.models.bundled import SCENES_FGCLIP, losses
from visreward_service.models.bundled.batches import Batch, build_batch, encode, numbered
from visreward_service.models.bundled.course import Course
from visreward_service.models.bundled.evaluate import EVALUATION_SEED
from visreward_service.models.bundled.facts import Facts, facts_of_scenes, facts_of_texts
from visreward_service.models.bundled.figures import Figures, area_under_curve, measure
from visreward_service.models.bundled.folder import TOKENIZER, WEIGHTS, ModelFolder
from visreward_service.models.bundled.learner import centre_in_box
from visreward_service.models.bundled.pool import build_pool, fitted
from visreward_service.models.bundled.recipe import FIRST_TRAINING_SEED, Recipe
from visreward_service.scenes import build_sample, render_scene

from transformers import AutoTokenizer, CLIPImageProcessor  # isort: skip

TINY = Recipe(
    steps=4,
    batch_size=4,
    num_scenes=12,
    images_from=1,
    descriptions_from=2,
    warmup_steps=1,
    bfloat16=False,
    image_size=32,
    width=32,
    vision_layers=2,
    text_layers=1,
    projection=16,
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder() -> ModelFolder:
    return ModelFolder.load(SCENES_FGCLIP)


@pytest.fixture(scope="module")
def figures(folder: ModelFolder) -> Figures:
    return measure(folder, [build_sample(EVALUATION_SEED + i) for i in range(80)])


def test_the_true_caption_beats_four_hard_negatives(figures: Figures) -> None:
    assert figures.caption_accuracy >= 0.9


def test_the_true_description_beats_one_with_a_false_detail(figures: Figures) -> None:
    assert figures.description_accuracy >= 0.93


def test_the_best_patch_lies_in_the_named_object(figures: Figures) -> None:
    assert figures.pointing_accuracy >= 0.97
    assert figures.box_accuracy >= 0.9


def test_true_phrases_score_above_false_ones(figures: Figures) -> None:
    assert figures.phrase_auc >= 0.99


def test_the_folder_is_small_and_readable_by_the_usual_loaders(folder: ModelFolder) -> None:
    assert sum(file.stat().st_size for file in SCENES_FGCLIP.iterdir()) < 10_000_000
    tokenizer = AutoTokenizer.from_pretrained(SCENES_FGCLIP)
    text = "Two small red circles, unseen: ünïcode 😀"
    assert tokenizer(text).input_ids == folder.tokenizer.encode(text).ids
    assert tokenizer.eos_token_id == tokenizer.pad_token_id == folder.end
    assert tokenizer.bos_token_id == folder.model.config.text.bos_token_id


def test_the_vocabulary_fits_the_embedding(folder: ModelFolder) -> None:
    assert folder.tokenizer.get_vocab_size() == folder.model.config.text.vocab_size


def test_preprocessing_is_that_of_the_image_processor(folder: ModelFolder) -> None:
    image, _ = render_scene(EVALUATION_SEED)
    size = folder.model.config.image_size
    ours = folder.pixels(fitted(image, size)[None])
    processor = CLIPImageProcessor.from_pretrained(SCENES_FGCLIP)
    theirs = processor(image, return_tensors="pt")["pixel_values"]
    assert ours.shape == theirs.shape == (1, 3, size, size)
    assert (ours - theirs).abs().max() < 2.5 / 255 / 0.26


def test_every_word_of_the_grammar_is_one_token_and_misspelt_words_differ(folder: ModelFolder) -> None:
    texts = ["red circles", "red circels", "red circlse", "red ci\u0301rcles"]
    rows = [folder.tokenizer.encode(text).ids for text in texts]
    assert len(rows[0]) == 4
    assert len({tuple(row) for row in rows}) == len(texts)
    for seed in range(40):
        description = build_sample(seed).description.text
        num_words = len(description.replace(".", " .").split())
        assert len(folder.tokenizer.encode(description).ids) == num_words + 2


def test_no_scene_of_the_evaluation_is_trained_on() -> None:
    assert EVALUATION_SEED + 500_000 + 10_000 < FIRST_TRAINING_SEED


def test_the_pool_holds_the_scenes_of_its_seeds() -> None:
    pool = build_pool(3, first_seed=70, size=40, processes=1)
    for i in range(3):
        image, scene = render_scene(70 + i)
        assert pool.scenes[i] == scene
        assert np.array_equal(pool.pixels[i], fitted(image, 40))


def tiny_batch(folder: ModelFolder, seed: int) -> Batch:
    pool = build_pool(12, first_seed=90, size=16, processes=1)
    plan = replace(TINY.plans()[-1], num_descriptions=2)
    return build_batch(pool.scenes, plan, folder.tokenizer, end=folder.end, seed=seed)


def test_a_batch_follows_from_its_seed(folder: ModelFolder) -> None:
    first, again, other = (tiny_batch(folder, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.phrases, again.phrases)
    assert not np.array_equal(first.scenes, other.scenes)
    assert first.captions is not None
    assert first.descriptions is not None
    assert first.places is not None
    assert (len(first.captions), len(first.places), len(first.descriptions)) == (4 * 5, 4 * 5, 2 * 3)


def told(facts: Facts) -> set[tuple[object, ...]]:
    """What is told, of whichever feature."""
    values = {(name, *row[1:]) for name, rows in facts.values.items() for row in rows.tolist()}
    return values | {("relation", *row[1:]) for row in facts.relations.tolist()}


@pytest.mark.parametrize("seed", range(30))
def test_a_picture_tells_what_its_true_texts_say_and_not_what_false_ones_say(seed: int) -> None:
    sample = build_sample(seed)
    shown = told(facts_of_scenes([sample.scene]))
    assert told(facts_of_texts([(sample.caption.claim,), sample.description.claims])) <= shown
    for text in (
        *((negative.claim,) for negative in sample.negatives.values()),
        sample.false_description.claims,
    ):
        assert not told(facts_of_texts([text])) <= shown


def test_phrases_name_what_their_attributes_say() -> None:
    things = [
        numbered("small", "red", "star", 2, "top", ("plain", "grey")),
        numbered("large", "red", "star", 1, "left", ("plain", "grey")),
        numbered("small", "blue", "ring", 3, "top", ("noisy", "white")),
    ]
    phrases = {
        numbered(None, "red", "star"): ([1, 1, 0], [1, 0]),
        numbered("large", "red", "star"): ([0, 1, 0], [1, 0]),
        numbered(None, None, "ring", 3): ([0, 0, 1], [0, 1]),
        numbered(None, None, "ring", 2): ([0, 0, 0], [0, 0]),
        numbered(None, None, None, None, "top"): ([1, 0, 1], [1, 1]),
        numbered(None, None, None, None, None, ("noisy", "white")): ([0, 0, 0], [0, 1]),
    }
    named = losses.naming(torch.tensor(list(phrases)), torch.tensor(things), torch.tensor([0, 0, 1]), 2)
    assert named.things.tolist() == [of_things for of_things, _ in phrases.values()]
    assert named.scenes.tolist() == [of_scenes for _, of_scenes in phrases.values()]


def test_contrast_never_pushes_one_true_pair_against_another() -> None:
    logits = torch.tensor([[2.0, 5.0, -1.0], [0.0, 0.0, 0.0]], requires_grad=True)
    true = torch.tensor([[True, True, False], [False, False, False]])
    loss = losses.contrast(logits, true)
    assert loss.item() == pytest.approx((np.log1p(np.exp(-3)) + np.log1p(np.exp(-6))) / 2)
    loss.backward()  # type: ignore[no-untyped-call]
    gradient: Tensor | None = logits.grad
    assert gradient is not None
    assert (gradient[0, :2] < 0).all()
    assert gradient[0, 2] > 0
    assert gradient[1].abs().max() == 0


def test_a_patch_belongs_to_a_box_that_holds_its_centre() -> None:
    inside = centre_in_box(torch.tensor([[0.4, 0.6, 2.4, 1.6]]), 3)
    assert inside.reshape(3, 3).tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 0]]


def test_area_under_the_curve_counts_ties_half() -> None:
    assert area_under_curve(np.array([0.5, 0.9]), np.array([0.1, 0.5])) == pytest.approx(0.875)


def test_texts_are_padded_with_the_end_token(folder: ModelFolder) -> None:
    ids = encode(folder.tokenizer, ["a star", "two small red stars"], folder.end)
    assert ids.shape == (2, 6)
    assert ids[0, 3:].tolist() == [folder.end] * 3


def train_tiny(path: Path, *, minutes: float | None = None) -> bool:
    path.mkdir(exist_ok=True)
    copy(SCENES_FGCLIP / TOKENIZER, path / TOKENIZER)
    return Course(
        recipe=TINY,
        folder=path,
        processes=1,
        minutes=minutes,
        watch_every=2,
        num_watched=2,
        console=Console(quiet=True),
    ).run()


def test_a_run_is_reproducible_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    assert train_tiny(tmp_path / "whole")
    while not train_tiny(tmp_path / "cut", minutes=0):
        pass
    whole, cut = (load_file(tmp_path / name / WEIGHTS) for name in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[key], cut[key]) for key in whole)
    config = json.loads((tmp_path / "cut" / "config.json").read_text())
    assert ModelFolder.load(tmp_path / "cut").model.config.image_size == config["vision_config"]["image_size"]


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    train_tiny(tmp_path, minutes=0)
    other = Course(recipe=replace(TINY, seed=2), folder=tmp_path, processes=1, console=Console(quiet=True))
    with pytest.raises(SystemExit, match="another recipe"):
        other.run()
