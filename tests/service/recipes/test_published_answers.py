"""VPPO, Vision-SR1, RACRO, DAPO, ERGO, ViCrit, Perception-R1, CogFlow and PEARL: quirks and mends."""

from typing import Any

import pytest

from tests.service.recipes.published import judge, part
from visreward.protocol import Code
from visreward_service.scorers.base import Fault

# --- VPPO -------------------------------------------------------------------------------------------------


def test_vppo_pays_for_the_last_box() -> None:
    assert judge("vppo/accuracy", "\\boxed{7} no, \\boxed{42}", answer="42")[0] == 1.0
    assert judge("vppo/accuracy", "\\boxed{42} no, \\boxed{7}", answer="42")[0] == 0.0


def test_vppo_without_a_box_answers_none_and_strict_does_not() -> None:
    assert judge("vppo/accuracy", "I cannot say", answer="None")[0] == 1.0
    assert judge("vppo/accuracy-strict", "I cannot say", answer="None")[0] == 0.0


def test_vppo_takes_white_space_out_around_slashes_before_grading() -> None:
    _, parts = judge("vppo/with-format", "< think > x < / think > \\boxed{1 / 2}", answer="1/2")
    assert parts == {"accuracy": 1.0, "format": 1.0}
    assert judge("vppo/with-format", "\\boxed{1/2}", answer="1/2")[0] == pytest.approx(0.9)


# --- Vision-SR1 -------------------------------------------------------------------------------------------

SR1 = "<description>{}</description><think>x</think>\\boxed{{3}}"


def test_vision_sr1_adds_the_second_answer_in_full() -> None:
    for second, reward in (("\\boxed{3}", 2.0), ("\\boxed{4}", 1.0), ("three", 1.0)):
        given: dict[str, Any] = {"answer": "3", "extra": {"second_answer": second}}
        assert judge("vision-sr1/answer", SR1.format("Three apples."), **given)[0] == pytest.approx(reward)


def test_vision_sr1_pays_for_a_description_that_holds_the_box_and_strict_does_not() -> None:
    given: dict[str, Any] = {"answer": "3", "extra": {"second_answer": "\\boxed{3}"}}
    leaked = SR1.format("The answer is \\boxed{3}.")
    assert part("vision-sr1/answer", leaked, "description_accuracy", **given) == 1.0
    assert part("vision-sr1/answer-strict", leaked, "description_accuracy", **given) == 0.0
    assert part("vision-sr1/answer", "\\boxed{3}", "description_accuracy", **given) == 1.0
    assert part("vision-sr1/answer-strict", "\\boxed{3}", "description_accuracy", **given) == 0.0
    assert part("vision-sr1/answer-strict", SR1.format("Three."), "description_accuracy", **given) == 1.0


@pytest.mark.parametrize("name", ["vision-sr1/answer", "racro/caption", "ergo/region"])
def test_a_second_answer_that_is_missing_is_an_item_error(name: str) -> None:
    with pytest.raises(Fault) as fault:
        judge(name, "x", answer="3", extra={"resized_width": 10, "resized_height": 10})
    assert (fault.value.code, fault.value.field) == (Code.MISSING_FIELD, "reference.extra.second_answer")


# --- RACRO ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caption", "second", "paper", "strict"),
    [
        ("A square of side 4.", "\\boxed{16}", 1, 1),
        ("A square of side 4.", "\\boxed{8}", 0, 0),
        ("A square of side 4.", "16", 0, 0),
        ("The answer is 16.", "\\boxed{16}", 1, 0),
        ("\\boxed{16}", "\\boxed{16}", 1, 0),
    ],
)
def test_racro_pays_for_the_reasoners_answer(caption: str, second: str, paper: int, strict: int) -> None:
    given: dict[str, Any] = {"answer": "16", "extra": {"second_answer": second}}
    assert judge("racro/caption", caption, **given)[0] == paper
    assert judge("racro/caption-strict", caption, **given)[0] == strict


# --- DAPO -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "gold", "paper", "strict"),
    [
        ("Answer: 42", "42", 1, 1),
        ("answer : $42$", "42", 1, 1),
        ("Answer: 1\nAnswer: 42", "42", 1, 1),
        ("Answer: 42\n" + "x" * 400, "42", -1, 1),
        ("Answer: 0.5", "\\frac{1}{2}", -1, 1),
        ("Answer: 5 cm", "5 km", 1, -1),
        ("42", "42", -1, -1),
    ],
)
def test_dapo_compares_texts_at_the_end_and_strict_values(
    text: str, gold: str, paper: int, strict: int
) -> None:
    assert judge("dapo/math", text, tokens=10, answer=gold)[0] == paper
    assert judge("dapo/math-strict", text, tokens=10, answer=gold)[0] == strict


@pytest.mark.parametrize(("tokens", "reward"), [(16384, 1.0), (18432, 0.5), (20480, 0.0), (30000, 0.0)])
def test_dapo_punishes_overlong_responses_softly(tokens: int, reward: float) -> None:
    assert judge("dapo/math", "Answer: 42", tokens=tokens, answer="42")[0] == pytest.approx(reward)


# --- ERGO -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zoom", "second", "reward"),
    [
        ("[0, 0, 60, 100]", "stop", 3.5),
        ("[0, 0, 61, 100]", "stop", 3.0),
        ("[0, 0, 60, 100]", "go", 2.5),
        ("the sign", "stop", 3.0),
        ("[90, 90, 10, 10]", "stop", 3.0),
        ("[0, 0, 9, 9] [1, 1, 8, 8]", "stop", 3.0),
    ],
)
def test_ergo_pays_for_a_region_that_suffices_and_is_small(zoom: str, second: str, reward: float) -> None:
    text = f"<think>a</think><zoom>{zoom}</zoom>\n<think>b <answer>Stop</answer>"
    extra = {"second_answer": second, "resized_width": 100, "resized_height": 100}
    assert judge("ergo/region", text, answer="stop", extra=extra)[0] == pytest.approx(reward)


# --- ViCrit -----------------------------------------------------------------------------------------------

CAPTION = "A man holds a green umbrella in the heavy rain while a dog waits beside him."
VICRIT: dict[str, Any] = {
    "answer": "green umbrella",
    "extra": {"caption": CAPTION, "original": "red umbrella"},
}


@pytest.mark.parametrize(
    ("given", "training", "bench"),
    [
        ("green umbrella", 1, 1),
        ("holds a green umbrella in", 1, 1),
        ("a bright green umbrella", 0, 1),
        ("evergreen forest", 0, 1),
        ("red umbrella", 0, 0),
        (CAPTION, 0, 1),
        ("", 0, 0),
    ],
)
def test_vicrit_wants_a_copy_of_the_phrase_and_its_bench_one_word(
    given: str, training: int, bench: int
) -> None:
    text = f"<think>x</think> \\boxed{{{given}}}"
    assert part("vicrit/training", text, "answer", **VICRIT) == training
    assert part("vicrit/bench", text, "accuracy", **VICRIT) == bench


def test_vicrits_bench_reads_the_first_box_else_the_last_line() -> None:
    assert judge("vicrit/bench", "\\boxed{green} \\boxed{red}", **VICRIT)[0] == 1.0
    assert judge("vicrit/bench", "It is not red.\nIt is green.\n", **VICRIT)[0] == 1.0
    assert judge("vicrit/bench", "It is green.\nOr red.", **VICRIT)[0] == 0.0


# --- Perception-R1 ----------------------------------------------------------------------------------------

PR1 = "<think>\n{}\n</think>\n<answer>\nIt is \\boxed{{5}}.\n</answer>"


def test_perception_r1_adds_the_judges_share_and_takes_for_repetition() -> None:
    given: dict[str, Any] = {"answer": "5", "extra": {"visual": 0.5}}
    reward, parts = judge("perception-r1/rules", PR1.format("short"), **given)
    assert reward == pytest.approx(0.9 + 0.1 + 0.35)
    reward, parts = judge("perception-r1/rules", PR1.format("again " * 100), **given)
    assert parts["ngram"] is not None
    assert parts["ngram"] < -1.2
    assert reward == pytest.approx(1.35 + parts["ngram"])


def test_perception_r1_parses_the_whole_of_a_well_formed_response_and_strict_its_box() -> None:
    text = "<think>\n\\boxed{5}\n</think>\n<answer>\nsee above\n</answer>"
    given: dict[str, Any] = {"answer": "5", "extra": {"visual": 0.0}}
    assert part("perception-r1/rules", text, "accuracy", **given) == 1.0
    assert part("perception-r1/rules-strict", text, "accuracy", **given) == 0.0


def test_perception_r1_without_the_judges_share_is_an_item_error() -> None:
    with pytest.raises(Fault) as fault:
        judge("perception-r1/rules", PR1.format("x"), answer="5")
    assert fault.value.code is Code.MISSING_FIELD


# --- CogFlow ----------------------------------------------------------------------------------------------

FIGURE = "Line:\n(0, 0) -- (5, 0)\n(0, 0) -- (0, 5)"
COGFLOW: dict[str, Any] = {"answer": "5", "extra": {"primitives": FIGURE}}
FLOW = "<WATCHING>\n{}\n</WATCHING><THINKING>x</THINKING><ANSWER>{}</ANSWER>"


def test_cogflow_averages_lines_answer_and_format() -> None:
    assert judge("cogflow/rules-strict", FLOW.format(FIGURE, "5"), **COGFLOW)[0] == pytest.approx(1.0)
    half = FLOW.format("Line:\n(0, 0) -- (5, 0)", "6")
    assert judge("cogflow/rules-strict", half, **COGFLOW)[0] == pytest.approx((2 / 3 + 0 + 1) / 3)


def test_cogflow_pays_for_no_figure_without_the_format() -> None:
    text = FLOW.format(FIGURE, "5") + " done"
    _, parts = judge("cogflow/rules-strict", text, **COGFLOW)
    assert parts == {"format": 0.0, "lines": 0.0, "accuracy": 1.0}


def test_cogflow_with_a_gold_answer_of_nothing_is_an_item_error() -> None:
    with pytest.raises(Fault) as fault:
        judge("cogflow/rules-strict", FLOW.format(FIGURE, "5"), answer=" ", extra=COGFLOW["extra"])
    assert fault.value.code is Code.REFERENCE_UNPARSABLE


# --- PEARL ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "share"),
    [
        ("1. 3\n2. 5\n3. 0.5", 1.0),
        ('["3", "5", "1/2"]', 1.0),
        ("1. 3\n2. 6\n3. 0.5", 2 / 3),
        ("1. 5\n2. 3", 0.0),
        ("", 0.0),
    ],
)
def test_pearl_is_the_share_of_the_checklist_that_is_right(given: str, share: float) -> None:
    text = f"<answer>{given}</answer>"
    assert judge("pearl/checklist", text, answer='["3", "5", "1/2"]')[0] == pytest.approx(share)


def test_vicrit_finds_a_word_anywhere_and_strict_wants_the_phrase() -> None:
    given = {"answer": "green umbrella", "extra": {"original": "red umbrella"}}
    phrase = {"answer": "green umbrella"}
    for text, paper, strict in (
        ("\\boxed{green umbrella}", 1.0, 1.0),
        ("\\boxed{evergreen tree}", 1.0, 0.0),
        ("\\boxed{green} is \\boxed{green umbrella}", 1.0, 1.0),
        ("green umbrella", 1.0, 0.0),
        ("\\boxed{" + "word " * 7 + "green umbrella}", 1.0, 0.0),
    ):
        assert part("vicrit/bench", text, "accuracy", **given) == paper
        assert part("vicrit/bench-strict", text, "accuracy", **phrase) == strict


def test_vppos_format_wants_a_tag_and_a_box_and_strict_wants_the_tag_once() -> None:
    for text, paper, strict in (
        ("<think>.</think> \\boxed{42}", 1.0, 1.0),
        ("<think>.</think><think>.</think> \\boxed{42}", 1.0, 0.9),
        ("<think>None</think>", 0.0, 0.0),
    ):
        assert judge("vppo/with-format", text, answer="42")[0] == pytest.approx(paper)
        assert judge("vppo/with-format-strict", text, answer="42")[0] == pytest.approx(strict)
