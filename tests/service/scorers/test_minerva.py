"""Final answers in Minerva's normal form."""

import pytest

from tests.service.scorers.boxes.judging import judge, value
from visreward.protocol import Code
from visreward_service.scorers.base import Fault
from visreward_service.scorers.minerva import Minerva


@pytest.mark.parametrize(
    ("given", "gold"),
    [
        ("42", "42"),
        ("x = 42", "42"),
        ("the value $42$ it is", "42"),
        ("\\text{red}", "red"),
        ("\\boxed{7}", "7"),
        ("\\frac12", "\\frac{1}{2}"),
        ("\\sqrt3", "\\sqrt{3}"),
        ("1,000", "1000"),
        ("5 dollars", "5"),
        ("30^\\circ", "30"),
        ("a dog", "dog"),
    ],
)
def test_dress_and_units_do_not_matter(given: str, gold: str) -> None:
    assert value(Minerva, given, "equal", answer=gold) == 1.0


@pytest.mark.parametrize(("given", "gold"), [("0.5", "\\frac{1}{2}"), ("42", "43"), ("", "42"), (None, "42")])
def test_values_are_not_compared(given: str | None, gold: str) -> None:
    assert value(Minerva, given, "equal", answer=gold) == 0.0


@pytest.mark.parametrize("given", ["$" * 3999, "\\text{" * 600, "frac" * 900, "\\boxed{" * 500, "9" * 20_000])
def test_hostile_answers_are_wrong(given: str) -> None:
    assert value(Minerva, given, "equal", answer="42") == 0.0


def test_a_gold_answer_of_which_nothing_is_left_is_an_item_error() -> None:
    with pytest.raises(Fault) as fault:
        judge(Minerva, "5", answer=" dollars ")
    assert fault.value.code is Code.REFERENCE_UNPARSABLE
