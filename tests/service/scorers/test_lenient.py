"""VLM-R1's lenient comparisons: what each says, and that long texts are bounded."""

import random
from difflib import SequenceMatcher
from functools import cache

import pytest

from visreward.protocol import Code, Item, Reference
from visreward_service.scorers.base import Catalog, Fault, Subject
from visreward_service.scorers.lenient import Lenient, LenientParams, measure_likeness


def judge(text: str | None, *golds: str) -> dict[str, float]:
    scorer = Lenient(LenientParams(), Catalog())
    item = Item(id="one", completion=text or "", reference=Reference(answers=list(golds)))
    return dict(scorer.finish(Subject(item, {"completion": text}), {}).values)


def common(left: str, right: str) -> int:
    """The length of the longest common subsequence, by its definition."""

    @cache
    def longest(i: int, j: int) -> int:
        if i == len(left) or j == len(right):
            return 0
        if left[i] == right[j]:
            return 1 + longest(i + 1, j + 1)
        return max(longest(i + 1, j), longest(i, j + 1))

    return longest(0, 0)


def test_likeness_is_twice_the_longest_common_subsequence_over_both_lengths() -> None:
    source = random.Random(5)
    for _ in range(300):
        left, right = ("".join(source.choices("abc ", k=source.randint(0, 12))) for _ in range(2))
        total = len(left) + len(right)
        assert measure_likeness(left, right) == (2 * common(left, right) / total if total else 1.0)


def test_likeness_is_never_below_that_of_matching_blocks() -> None:
    left, right = "the quick brown fox", "a quick and brown ox"
    assert measure_likeness(left, right) >= SequenceMatcher(None, left, right).ratio()


def test_the_best_of_several_gold_answers_counts() -> None:
    assert judge("a dog", "a cat", "A dog.")["exact"] == 1.0


@pytest.mark.parametrize(
    ("given", "gold", "form"),
    [
        ("\\boxed{\\dfrac12}", "\\frac{1}{2}", 1.0),
        ("0.5", "1/2", 1.0),
        ("x = 5", "5", 1.0),
        ("\\sqrt3", "\\sqrt{3}", 1.0),
        (".5", "0.5", 1.0),
        ("-1/3", "\\frac{-1}{3}", 1.0),
        ("7 \\text{ cm}", "7", 1.0),
        ("5", "6", 0.0),
    ],
)
def test_the_normal_form_is_that_of_the_math_benchmark(given: str, gold: str, form: float) -> None:
    assert judge(given, gold)["form"] == form


def test_an_absent_or_long_text_is_wrong_and_a_long_gold_answer_an_error() -> None:
    assert set(judge(None, "cat").values()) == {0.0}
    assert set(judge("x" * 5_001, "cat").values()) == {0.0}
    with pytest.raises(Fault) as fault:
        judge("cat", "x" * 5_001)
    assert (fault.value.code, fault.value.field) == (Code.TEXT_TOO_LONG, "reference.answer")


@pytest.mark.parametrize(
    "text", ["A." * 2_500, "\\frac" * 800, "\\boxed{" * 600, "\n\r" * 2_500, "\u202e\u200b" * 2_500]
)
def test_hostile_texts_get_a_verdict(text: str) -> None:
    assert judge(text, "cat")["exact"] == 0.0
