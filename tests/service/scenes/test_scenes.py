"""What is said of a scene is true, what is called false is false, and all of it follows from a seed."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from visreward_service.scenes import (
    NEGATIVE_KINDS,
    Background,
    Existence,
    Group,
    Noun,
    Relation,
    Sample,
    Scene,
    Thing,
    build_sample,
    render_image,
    render_scene,
    sample_scene,
)
from visreward_service.scenes.shapes import SHAPES, outline
from visreward_service.scenes.spec import CANVAS_PIXELS, COLOURS, GAP_PIXELS, relations

SEEDS = range(400)


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return [build_sample(seed) for seed in SEEDS]


def thing(shape: str, x: float, y: float, *, diameter: float = 40, colour: str = "red") -> Thing:
    return Thing(shape=shape, x=x, y=y, diameter=diameter, angle=9, rgb=COLOURS[colour])


def group(shape: str, colour: str, *places: tuple[float, float]) -> Group:
    things = tuple(thing(shape, x, y, colour=colour) for x, y in places)
    return Group(shape=shape, colour=colour, size="small", things=things)


TWO_GROUPS = Scene(
    groups=(group("circle", "red", (40, 90), (40, 140)), group("square", "blue", (180, 110))),
    background=Background(kind="plain", colour="white", seed=1),
)


def test_a_seed_gives_the_same_picture_and_scene_again() -> None:
    first, scene = render_scene(11)
    again, same = render_scene(11)
    assert scene == same
    assert first.tobytes() == again.tobytes()
    assert first.size == (CANVAS_PIXELS, CANVAS_PIXELS)
    assert first.mode == "RGB"


def test_other_seeds_give_other_pictures() -> None:
    assert len({render_scene(seed)[0].tobytes() for seed in range(20)}) == 20


def test_the_same_seed_gives_the_same_texts() -> None:
    assert build_sample(5).to_json() == build_sample(5).to_json()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_things_box_is_tight_round_its_pixels(shape: str) -> None:
    drawn = thing(shape, 103.3, 91.7, diameter=60)
    scene = replace(TWO_GROUPS, groups=(Group(shape=shape, colour="red", size="large", things=(drawn,)),))
    without = np.asarray(render_image(replace(scene, groups=()))).astype(int)
    changed = np.abs(np.asarray(render_image(scene)).astype(int) - without).max(axis=2) > 100
    rows, columns = np.nonzero(changed)
    found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.abs(np.array(found) - np.array(drawn.box)).max() <= 1.5


def test_a_ring_has_a_hole() -> None:
    rings = replace(TWO_GROUPS, groups=(group("ring", "red", (100, 100)),))
    centre = render_image(rings).getpixel((100, 100))
    assert centre == render_image(replace(rings, groups=())).getpixel((100, 100))


def test_an_unknown_shape_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'blob'"):
        outline("blob", x=0, y=0, diameter=1, angle=0)


def test_things_stay_on_the_canvas_and_groups_apart(samples: list[Sample]) -> None:
    for sample in samples:
        groups = sample.scene.groups
        for one in groups:
            assert min(one.box[:2]) >= GAP_PIXELS
            assert max(one.box[2:]) <= CANVAS_PIXELS - GAP_PIXELS
            others = [other for other in groups if other is not one]
            assert all(relations(one, other) for other in others)
            assert all((one.shape, one.colour) != (other.shape, other.colour) for other in others)


def test_scenes_have_as_many_groups_as_asked_for_where_they_fit() -> None:
    for wanted in (1, 2, 3):
        counts = [len(sample_scene(seed, num_groups=wanted).groups) for seed in range(50)]
        assert max(counts) == wanted
        assert np.mean(np.array(counts) == wanted) > 0.8


def test_captions_and_descriptions_are_true(samples: list[Sample]) -> None:
    for sample in samples:
        assert sample.caption.holds(sample.scene), sample.caption.text
        assert sample.description.holds(sample.scene), sample.description.text


def test_negatives_are_false_and_differ_in_wording(samples: list[Sample]) -> None:
    for sample in samples:
        assert tuple(sample.negatives) == NEGATIVE_KINDS
        for negative in sample.negatives.values():
            assert not negative.holds(sample.scene), negative.text
            assert negative.text != sample.caption.text


def test_a_false_description_changes_one_sentence(samples: list[Sample]) -> None:
    for sample in samples:
        assert not sample.false_description.holds(sample.scene)
        pairs = list(zip(sample.description.text.split(". "), sample.false_description.text.split(". ")))
        assert sum(true != false for true, false in pairs) == 1


def test_phrases_name_all_and_only_the_boxes_of_their_group(samples: list[Sample]) -> None:
    for sample in samples:
        for phrase in sample.phrases:
            named = {
                one.box
                for owner in sample.scene.groups
                for one in owner.things
                if owner.colour in phrase.text and owner.shape in phrase.text.split()[-1]
            }
            assert set(phrase.boxes) == named
            assert len(phrase.boxes) == phrase.noun.count


def test_false_phrases_name_nothing(samples: list[Sample]) -> None:
    for sample in samples:
        for phrase in sample.false_phrases:
            assert phrase.boxes == ()
            assert not any(
                (owner.colour, owner.shape) == (phrase.noun.colour, phrase.noun.shape)
                for owner in sample.scene.groups
            )


def test_claims_hold_as_the_picture_is() -> None:
    red, blue = Noun(count=2, colour="red", shape="circle"), Noun(count=1, colour="blue", shape="square")
    assert Existence(noun=red, place="left").holds(TWO_GROUPS)
    assert Relation(first=red, relation="left", second=blue).holds(TWO_GROUPS)
    false: list[Existence | Relation] = [
        Existence(noun=red, place="top"),
        Existence(noun=replace(red, count=3)),
        Existence(noun=replace(red, colour="blue")),
        Relation(first=red, relation="right", second=blue),
        Relation(first=blue, relation="left", second=red),
        Relation(first=red, relation="above", second=blue),
    ]
    assert not any(claim.holds(TWO_GROUPS) for claim in false)


def test_all_sorts_of_scenes_come_up(samples: list[Sample]) -> None:
    owners = [owner for sample in samples for owner in sample.scene.groups]
    assert {owner.shape for owner in owners} == set(SHAPES)
    assert {owner.colour for owner in owners} == set(COLOURS)
    assert {owner.count for owner in owners} == {1, 2, 3, 4}
    assert len({sample.scene.background.colour for sample in samples}) == 5
    assert {len(sample.scene.groups) for sample in samples} == {1, 2, 3, 4}


def test_questions_have_the_scenes_answers() -> None:
    from visreward_service.scenes import questions

    asked = {question.text: question.answer for question in questions(TWO_GROUPS)}
    assert asked["How many red circles are there?"] == "2"
    assert asked["How many objects are there?"] == "3"
    assert asked["What colour is the square?"] == "blue"
    assert asked["What shape are the red objects?"] == "circle"
    assert asked["Where is the blue square?"] == "on the right"


def test_styles_change_the_wording_and_not_the_claim() -> None:
    caption = build_sample(3).caption
    texts = {replace(caption, style=Random(style).randrange(1 << 16)).text for style in range(50)}
    assert len(texts) > 3
