"""What the trainer brings along."""

import pytest

from tests.service.scorers.boxes.judging import judge, value
from visreward.protocol import Code, Item, Reference
from visreward_service.scorers.base import Catalog, Fault, RuleCall, Subject
from visreward_service.scorers.given import Given, SecondAnswer, SecondAnswerParams


def test_a_number_is_passed_on_as_it_is() -> None:
    assert value(Given, "", "given", extra={"weight": 1.5}, name="weight") == 1.5


def test_a_missing_number_is_an_item_error_or_the_default() -> None:
    assert value(Given, "", "given", name="weight", default=1.0) == 1.0
    with pytest.raises(Fault) as fault:
        judge(Given, "", name="weight")
    assert (fault.value.code, fault.value.field) == (Code.MISSING_FIELD, "reference.extra.weight")


@pytest.mark.parametrize("number", [-0.1, 1.1])
def test_a_number_beyond_its_bounds_is_an_item_error(number: float) -> None:
    with pytest.raises(Fault) as fault:
        judge(Given, "", extra={"weight": number}, name="weight", low=0.0, high=1.0)
    assert fault.value.code is Code.INVALID_ITEM


def second(answer: object, **params: object) -> tuple[SecondAnswer, Subject]:
    scorer = SecondAnswer(SecondAnswerParams.model_validate(params), Catalog())
    extra = {} if answer is None else {"second_answer": answer}
    reference = Reference.model_validate({"answer": "42", "extra": extra})
    item = Item(id="one", completion="\\boxed{7}", reference=reference)
    return scorer, Subject(item, {"completion": item.completion, "prompt": None})


@pytest.mark.parametrize(("answer", "correct"), [("\\boxed{42}", 1.0), ("nothing", 0.0)])
def test_a_second_answer_is_judged_and_the_completion_is_not(answer: str, correct: float) -> None:
    scorer, subject = second(answer, extract="boxed")
    assert not [work for work in scorer.prepare(subject) if not isinstance(work, RuleCall)]
    assert scorer.finish(subject, {}).values["correct"] == correct


@pytest.mark.parametrize(("answer", "code"), [(None, Code.MISSING_FIELD), (42, Code.INVALID_ITEM)])
def test_without_a_second_answer_the_item_is_at_fault(answer: object, code: Code) -> None:
    scorer, subject = second(answer)
    with pytest.raises(Fault) as fault:
        scorer.prepare(subject)
    assert fault.value.code is code


def test_a_piece_cannot_be_named() -> None:
    with pytest.raises(ValueError, match="name instead of text"):
        second("42", text="completion")


def test_texts_can_stand_for_numbers() -> None:
    words = {"easy": 1.0, "hard": 1.5}
    assert value(Given, "", "given", extra={"level": "hard"}, name="level", words=words) == 1.5
    for extra in ({"level": "odd"}, {"level": 3}, {}):
        with pytest.raises(Fault):
            judge(Given, "", extra=extra, name="level", words=words)
