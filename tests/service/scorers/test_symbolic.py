"""math_verify as a shortcut: its verdict where it has one, else 0."""

from typing import Any

import pytest

from tests.service.recipes.scoring import run_rule
from visreward.protocol import Code, Item, Reference
from visreward_service.scorers.base import Catalog, Fault, RuleCall, Subject, Work
from visreward_service.scorers.symbolic import Symbolic, SymbolicParams


def decide(text: str | None, reference: str, **params: object) -> float:
    scorer = Symbolic(SymbolicParams.model_validate(params), Catalog())
    item = Item(id="one", completion=text or "", reference=Reference(answer=reference))
    subject = Subject(item, {"completion": text})
    results: dict[Work, Any] = {
        call: run_rule(call) for call in scorer.prepare(subject) if isinstance(call, RuleCall)
    }
    return scorer.finish(subject, results).values["symbolic"]


@pytest.mark.parametrize(
    ("text", "gold", "expected"),
    [
        ("so $\\frac{2}{4}$", "$\\frac{1}{2}$", 1.0),
        ("42", "42", 1.0),
        ("42", "43", 0.0),
        ("cat", "42", 0.0),
        ("cat", "cat", 0.0),
        ("42", "cat", 0.0),
        ("", "42", 0.0),
        (None, "42", 0.0),
    ],
)
def test_a_reference_without_mathematics_fails_the_test_and_nothing_more(
    text: str | None, gold: str, expected: float
) -> None:
    assert decide(text, gold) == expected


def test_the_reference_can_be_dressed_before_it_is_read() -> None:
    assert decide("$x^2$", "x^2") == 0.0
    assert decide("$x^2$", "x^2", around=["$", "$"]) == 1.0


def test_an_item_without_an_answer_is_at_fault() -> None:
    scorer = Symbolic(SymbolicParams(), Catalog())
    with pytest.raises(Fault) as fault:
        scorer.prepare(Subject(Item(id="one", completion="1"), {"completion": "1"}))
    assert fault.value.code is Code.MISSING_FIELD


@pytest.mark.parametrize(
    ("text", "gold", "reading", "expected"),
    [
        ("\\boxed{42}", "42", "latex_given", 1.0),
        ("42", "42", "latex_given", 0.0),
        ("so the answer is $42$", "42", "latex_given", 1.0),
        ("\\boxed{\\frac{2}{4}}", "1/2", "latex_given", 1.0),
        ("\\boxed{42}", "42", "latex", 0.0),
        ("\\boxed{42}", "$42$", "latex", 1.0),
        ("\\boxed{42}", "\\boxed{42}", "latex", 1.0),
        ("\\boxed{43}", "\\boxed{42}", "latex", 0.0),
    ],
)
def test_a_reading_of_latex_alone_passes_over_plain_texts(
    text: str, gold: str, reading: str, expected: float
) -> None:
    assert decide(text, gold, reading=reading) == expected


def test_both_sides_can_be_put_into_lower_case() -> None:
    assert decide("$\\SQRT{4}$", "$2$") == 0.0
    assert decide("$\\SQRT{4}$", "$2$", lower=True) == 1.0


def test_a_reference_without_mathematics_can_make_all_right_as_some_code_does() -> None:
    assert decide("\\boxed{1}", "cat", unreadable="right") == 1.0
    assert decide("\\boxed{1}", "2", reading="latex", unreadable="right") == 1.0
    assert decide("\\boxed{1}", "$2$", reading="latex", unreadable="right") == 0.0


def test_the_side_of_the_reference_is_that_of_the_official_code() -> None:
    # math_verify takes an interval for an inequality, and not the other way round.
    assert decide("$x < 5$", "$(-\\infty, 5)$") == 1.0
    assert decide("$x < 5$", "$(-\\infty, 5)$", gold="first") == 0.0
    assert decide("$(-\\infty, 5)$", "$x < 5$") == 0.0
