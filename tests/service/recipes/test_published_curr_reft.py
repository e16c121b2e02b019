"""Curr-ReFT (arXiv:2503.07065, ding523/Curr_REFT@f123433): three stages, quirks, and what strict mends."""

import pytest

from tests.service.recipes.published import boxes, judge, part
from visreward.protocol import Code
from visreward_service.scorers.base import Fault


def write(given: str) -> str:
    return f"<think>I think.</think>\n<answer>{given}</answer>"


@pytest.mark.parametrize(
    ("given", "gold", "paper", "strict"),
    [
        ("yes", "yes", 1, 1),
        ("No.", "no", 1, 1),
        ("no", "yes", 0, 0),
        ("not correct", "no", 0, 1),
        ("yes or no", "yes", 1, 0),
        ("nope", "no", 0, 0),
        ("", "no", 0, 0),
    ],
)
def test_stage1_takes_any_yes_for_a_yes_and_strict_does_not(
    given: str, gold: str, paper: int, strict: int
) -> None:
    assert part("curr-reft/stage1", write(given), "accuracy", answer=gold) == paper
    assert part("curr-reft/stage1-strict", write(given), "accuracy", answer=gold) == strict


def test_stage1_reads_a_tag_that_is_never_closed_and_strict_does_not() -> None:
    assert part("curr-reft/stage1", "<answer>yes, I am sure", "accuracy", answer="yes") == 1.0
    assert part("curr-reft/stage1", "<answer>yes<answer>", "accuracy", answer="yes") == 1.0
    assert part("curr-reft/stage1-strict", "<answer>yes, I am sure", "accuracy", answer="yes") == 0.0


@pytest.mark.parametrize(
    ("given", "gold", "paper", "strict"),
    [
        ("B", "B", 1, 1),
        ("(b)", "B", 1, 1),
        ("A, C", "A,C", 1, 1),
        ("C, A", "A,C", 0, 1),
        ("A", "B", 0, 0),
        ("B, a circle", "B", 0, 1),
    ],
)
def test_stage2_compares_letters_in_order_and_strict_as_sets(
    given: str, gold: str, paper: int, strict: int
) -> None:
    assert part("curr-reft/stage2", write(given), "accuracy", answer=gold) == paper
    assert part("curr-reft/stage2-strict", write(given), "accuracy", answer=gold) == strict


def test_stage2_without_letters_on_both_sides_is_right_and_an_item_error_in_strict() -> None:
    assert part("curr-reft/stage2", write("17"), "accuracy", answer="42") == 1.0
    with pytest.raises(Fault) as fault:
        judge("curr-reft/stage2-strict", write("17"), answer="42")
    assert fault.value.code is Code.REFERENCE_UNPARSABLE


GOLD = boxes(([0, 0, 100, 100], "x"))


@pytest.mark.parametrize(
    ("given", "paper", "strict"),
    [
        ('{"b": [0, 0, 100, 60]}', 1, 1),
        ('{"b": [0, 0, 100, 50]}', 0, 0),
        ("[5, 5, 6, 6] or [0, 0, 100, 60]", 1, 0),
        ("nowhere", 0, 0),
        ("[0, 0, 0, 0]", 0, 0),
    ],
)
def test_stage3_boxes_must_overlap_by_more_than_a_half(given: str, paper: int, strict: int) -> None:
    assert part("curr-reft/stage3-detection", write(given), "accuracy", boxes=GOLD) == paper
    assert part("curr-reft/stage3-detection-strict", write(given), "accuracy", boxes=GOLD) == strict


def test_stage3_drops_fractions_and_strict_keeps_them() -> None:
    gold = boxes(([0.2, 0.2, 0.8, 0.8], "x"))
    assert part("curr-reft/stage3-detection", write("[0.2, 0.2, 0.8, 0.8]"), "accuracy", boxes=gold) == 0.0
    assert (
        part("curr-reft/stage3-detection-strict", write("[0.2, 0.2, 0.8, 0.8]"), "accuracy", boxes=gold)
        == 1.0
    )


def test_stage3_detection_wants_whole_numbers_in_braces_for_its_format() -> None:
    for given, paper in (('{"b": [1, 2, 3, 4]}', 1.0), ("[1, 2, 3, 4]", 0.0)):
        assert part("curr-reft/stage3-detection", write(given), "format", boxes=GOLD) == paper
        assert part("curr-reft/stage3-detection-strict", write(given), "format", boxes=GOLD) == 1.0


@pytest.mark.parametrize(
    ("given", "paper", "strict"),
    [
        ("cat, dog", 1, 1),
        ("dog，cat", 1, 1),
        ("['cat', 'dog']", 1, 1),
        ("Cat dog", 1 / 3, 1),
        ("cat", 0.5, 0.5),
        ("", 0, 0),
        ("[cat, dog]", 0, 0),
    ],
)
def test_stage3_labels_are_compared_as_sets(given: str, paper: float, strict: float) -> None:
    name = "curr-reft/stage3-classification"
    assert part(name, write(given), "accuracy", answer="cat, dog") == pytest.approx(paper)
    assert part(f"{name}-strict", write(given), "accuracy", answer="cat, dog") == pytest.approx(strict)


def test_stage3_labels_without_a_tag_are_read_and_not_in_strict() -> None:
    assert part("curr-reft/stage3-classification", "cat dog", "accuracy", answer="cat, dog") == 1.0
    assert part("curr-reft/stage3-classification-strict", "cat dog", "accuracy", answer="cat, dog") == 0.0


@pytest.mark.parametrize("given", ["17", "", "1", "I do not know, perhaps 42 or 43"])
def test_stage3_mathematics_takes_any_answer_for_right_and_strict_none_of_them(given: str) -> None:
    assert part("curr-reft/stage3-math", write(given), "accuracy", answer="42") == 1.0
    assert part("curr-reft/stage3-math-strict", write(given), "accuracy", answer="42") == 0.0


def test_stage3_mathematics_finds_a_letter_wrong_where_the_gold_is_another() -> None:
    assert part("curr-reft/stage3-math", write("A"), "accuracy", answer="B") == 0.0
    assert part("curr-reft/stage3-math", "no tag", "accuracy", answer="42") == 0.0


@pytest.mark.parametrize(
    ("cosine", "expected"), [(0.97, 1.0), (0.95, 0.2), (0.92, 0.2), (0.9, 0.0), (0.5, 0.0), (-1.0, 0.0)]
)
def test_open_questions_earn_in_two_steps(cosine: float, expected: float) -> None:
    text = "<think>.</think><answer>He is surfing.</answer>"
    for name in ("curr-reft/stage3-vqa", "curr-reft/stage3-vqa-strict"):
        assert part(name, text, "accuracy", extra={"cosine": cosine}) == expected


@pytest.mark.parametrize("text", ["", "<think>.</think><answer> </answer>", "He is surfing."])
def test_an_empty_answer_earns_what_its_embedding_is_worth_and_strict_mends_it(text: str) -> None:
    assert part("curr-reft/stage3-vqa", text, "accuracy", extra={"cosine": 0.97}) == 1.0
    assert part("curr-reft/stage3-vqa-strict", text, "accuracy", extra={"cosine": 0.97}) == 0.0
