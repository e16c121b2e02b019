"""VLM-R1's rules for answers, lengths and repetitions (om-ai-lab/VLM-R1@90052f4): quirks and mends."""

import pytest

from tests.service.recipes.published import judge, part
from visreward.protocol import Code
from visreward_service.scorers.base import Fault


def write(answer: str) -> str:
    return f"<think>I look.</think>\n<answer>{answer}</answer>"


def both(name: str, answer: str, gold: str) -> tuple[float, float]:
    """Return the accuracy by the paper profile and by the strict one."""
    return (
        part(f"vlm-r1/{name}", write(answer), "accuracy", answer=gold),
        part(f"vlm-r1/{name}-strict", write(answer), "accuracy", answer=gold),
    )


@pytest.mark.parametrize(
    ("answer", "paper", "strict"),
    [
        ("B", 1.0, 1.0),
        ("B.", 1.0, 1.0),
        ("C", 0.0, 0.0),
        ("(B)", 0.0, 1.0),
        ("A, no: the answer is B.", 1.0, 0.0),
    ],
)
def test_an_option_letter_stands_before_a_mark(answer: str, paper: float, strict: float) -> None:
    assert both("mcq", answer, "B") == (paper, strict)


def test_of_several_letters_the_one_that_words_speak_for_counts() -> None:
    far = "x" * 30
    assert part("vlm-r1/mcq", write(f"A, {far} correct B, {far} C, {far}"), "accuracy", answer="B") == 1.0
    # The first B stands in "Bread", far from the words that speak for the option.
    assert part("vlm-r1/mcq", write(f"Bread {far} A, {far} correct B, {far}"), "accuracy", answer="B") == 0.0


@pytest.mark.parametrize("name", ["mcq", "default", "math"])
def test_without_a_tag_the_whole_completion_is_read_and_strict_wants_the_tag(name: str) -> None:
    gold = "B" if name == "mcq" else "42"
    assert part(f"vlm-r1/{name}", gold, "accuracy", answer=gold) == 1.0
    # What stands outside the tag is no answer where the tag is empty.
    assert part(f"vlm-r1/{name}-strict", f"{gold}<answer></answer>", "accuracy", answer=gold) == 0.0


@pytest.mark.parametrize(
    ("answer", "gold", "paper", "strict"),
    [
        ("A Red\ncat.", "a red cat", 1.0, 1.0),
        ("a  red cat", "a red cat", 0.0, 1.0),
        ("a red, cat", "a red cat", 0.0, 1.0),
        ("", "cat", 0.0, 0.0),
    ],
)
def test_all_match_compares_texts(answer: str, gold: str, paper: float, strict: float) -> None:
    assert both("all-match", answer, gold) == (paper, strict)


def test_an_empty_answer_matches_an_empty_reference_and_strict_refuses_it() -> None:
    assert part("vlm-r1/all-match", write(""), "accuracy", answer=" ") == 1.0
    with pytest.raises(Fault) as fault:
        part("vlm-r1/all-match-strict", write(""), "accuracy", answer=" ")
    assert fault.value.code is Code.REFERENCE_UNPARSABLE


@pytest.mark.parametrize(
    ("answer", "gold", "paper", "strict"),
    [
        ("$\\frac{84}{2}$", "42", 1.0, 1.0),
        ("\\boxed{1/2}", "\\frac12", 1.0, 1.0),
        ("42 \\text{ cats}", "42", 1.0, 1.0),
        ("90^\\circ", "90", 1.0, 1.0),
        ("50\\%", "50", 1.0, 0.0),
        ("43", "42", 0.0, 0.0),
    ],
)
def test_mathematics_by_math_verify_or_by_normal_form(
    answer: str, gold: str, paper: float, strict: float
) -> None:
    assert both("math", answer, gold) == (paper, strict)


@pytest.mark.parametrize(
    ("answer", "gold", "paper", "strict"),
    [
        ("42", "42", 1.0, 1.0),
        ("43", "42", 0.0, 0.0),
        ("13 cats", "12 cats", 12 / 14, 0.0),
        ("B.", "B", 1.0, 1.0),
        ("no idea", "B", 0.0, 0.0),
        ("a red cat", "a red car", 16 / 18, 0.0),
    ],
)
def test_the_default_falls_back_to_likeness(answer: str, gold: str, paper: float, strict: float) -> None:
    found, mended = both("default", answer, gold)
    assert found == pytest.approx(paper)
    assert mended == strict


def test_likeness_is_that_of_the_longest_common_subsequence() -> None:
    assert part("vlm-r1/default", write("kitten"), "accuracy", answer="sitting") == pytest.approx(8 / 13)
    assert part("vlm-r1/default", write(""), "accuracy", answer="sitting") == 0.0


def length(name: str, tokens: int, answer: str = "42") -> float:
    return judge(f"vlm-r1/{name}", write(answer), tokens=tokens, answer="42")[0]


def test_the_length_falls_by_a_cosine_and_comes_back() -> None:
    for tokens, expected in ((0, 1.0), (512, 0.75), (1024, 0.5), (2048, 1.0)):
        assert length("length", tokens) == pytest.approx(expected)
    assert length("length-strict", 2048) == 0.5


def test_a_wrong_answer_is_paid_for_its_length_like_a_right_one_and_strict_tells_them_apart() -> None:
    assert length("length", 0, "41") == 1.0
    assert length("length-strict", 0, "41") == pytest.approx(-0.5)
    assert length("length-strict", 1024, "41") == pytest.approx(0.0)
    assert length("length-strict", 0) == 1.0


WORDS = "one two three four five six " * 3
BOXES = '```json\n[{"bbox_2d": [0, 0, 9, 9], "label": "cat"}, {"bbox_2d": [0, 0, 9, 9], "label": "cat"}]\n```'
ONE_BOX = '```json\n[{"bbox_2d": [0, 0, 9, 9], "label": "cat"}]\n```'


def test_repeated_words_cost_their_share_of_6_grams() -> None:
    assert judge("vlm-r1/repetition", WORDS)[0] == pytest.approx(-(1 - 6 / 13))
    assert judge("vlm-r1/repetition", "few words")[0] == 0.0
    assert judge("vlm-r1/repetition", "")[0] == 0.0


def test_a_list_of_boxes_is_all_that_counts_and_strict_counts_both() -> None:
    assert judge("vlm-r1/repetition", BOXES)[0] == -0.5
    assert judge("vlm-r1/repetition", WORDS + ONE_BOX)[0] == 0.0
    assert judge("vlm-r1/repetition-strict", WORDS + ONE_BOX)[0] < -0.3


def test_map_reads_the_last_fence_of_the_whole_completion() -> None:
    gold = [{"box": [0.0, 0.0, 9.0, 9.0], "label": "cat"}]
    assert part("vlm-r1/map", ONE_BOX, "accuracy", boxes=gold) == pytest.approx(1.0)
    assert part("vlm-r1/od-ap", ONE_BOX, "accuracy", boxes=gold) == 0.0
    assert part("vlm-r1/map-strict", write(ONE_BOX), "accuracy", boxes=gold) == pytest.approx(1.0)
    assert part("vlm-r1/map-strict", ONE_BOX, "accuracy", boxes=gold) == 0.0


@pytest.mark.parametrize(("verdict", "accuracy"), [(1.0, 1.0), (0.0, 0.0)])
def test_the_judges_verdict_counts_whatever_the_strings_say(verdict: float, accuracy: float) -> None:
    for name in ("llm", "llm-strict"):
        found = part(f"vlm-r1/{name}", write("a cat"), "accuracy", answer="a dog", extra={"verdict": verdict})
        assert found == accuracy


@pytest.mark.parametrize(("answer", "paper"), [("a cat", 1.0), ("A cat", 0.0)])
def test_without_a_verdict_strings_are_compared_and_strict_refuses(answer: str, paper: float) -> None:
    assert part("vlm-r1/llm", write(answer), "accuracy", answer="a cat") == paper
    with pytest.raises(Fault) as caught:
        part("vlm-r1/llm-strict", write(answer), "accuracy", answer="a cat")
    assert caught.value.code == Code.MISSING_FIELD
