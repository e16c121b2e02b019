"""math_verify as a shortcut: its verdict where it has one, else 0."""

from typing import Any

import pytest

from tests.service.recipes.scoring import run_rule
from visreward.protocol import Code, Item, Reference
from visreward_service.scorers.base import Catalog, Fault, RuleCall, Subject, Work
from visreward_service.scorers.symbolic import Symbolic, SymbolicParams


def decide(text: str | None, gold: str, **params: object) -> float:
    scorer = Symbolic(SymbolicParams.model_validate(params), Catalog())
    item = Item(id="one", completion=text or "", reference=Reference(answer=gold))
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
