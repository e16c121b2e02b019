"""The `answer` scorer: what it asks for, what it makes of the verdicts, and what is an error."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from visreward.protocol import Code, Item, Reference
from visreward_service.scorers import RULES, answers
from visreward_service.scorers.answer import Answer, AnswerParams
from visreward_service.scorers.base import Catalog, Fault, RuleCall, Score, Subject, Work

EXTRA = dict[str, str | float | int | bool | list[str] | None]


def scorer(**params: Any) -> Answer:
    return Answer(AnswerParams.model_validate(params), Catalog())


def subject(
    completion: str | None,
    gold: str | None = None,
    *,
    golds: Sequence[str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Subject:
    reference = Reference(
        answer=gold, answers=None if golds is None else list(golds), extra=dict(extra or {})
    )
    item = Item(id="1", completion=completion or "", reference=reference)
    return Subject(item, {"completion": completion, "prompt": None})


def do(work: Sequence[Work]) -> dict[Work, Any]:
    """Do what a worker would do, in this process."""
    results: dict[Work, Any] = {}
    for unit in work:
        assert isinstance(unit, RuleCall)
        assert unit.rule in RULES
        results[unit] = answers.judge(*unit.arguments)  # type: ignore[arg-type]
    return results


def score(asked: Subject, **params: Any) -> Score:
    answer = scorer(**params)
    return answer.finish(asked, do(answer.prepare(asked)))


def correct(asked: Subject, **params: Any) -> float:
    return score(asked, **params).values["correct"]


@pytest.mark.parametrize(
    ("given", "gold", "mathruler", "math_verify", "strict"),
    [
        ("42", "42", 1, 1, 1),
        ("43", "42", 0, 0, 0),
        ("\\frac{1}{2}", "0.5", 1, 1, 1),
        ("\\frac{2}{4}", "\\frac{1}{2}", 0, 1, 1),
        ("\\sqrt{12}", "2\\sqrt{3}", 1, 1, 1),
        ("(x+1)^2", "x^2+2x+1", 1, 1, 1),
        ("5 meters", "5 cm", 1, 1, 0),
        ("50\\%", "50", 1, 1, 0),
    ],
)
def test_the_recipe_names_the_grader(
    given: str, gold: str, mathruler: float, math_verify: float, strict: float
) -> None:
    asked = subject(given, gold)
    assert correct(asked, grader="mathruler") == mathruler
    assert correct(asked, grader="math_verify", wrap="both") == math_verify
    assert correct(asked, grader="strict") == strict


def test_mathruler_is_the_default_and_gets_the_piece_as_it_is_and_the_gold_answer_stripped() -> None:
    [call] = scorer().prepare(subject(" x + 1 ", " 1 + x\n"))
    assert call == RuleCall("answer", ("math", " x + 1 ", "1 + x", ()))


def test_plain_pairs_ask_for_no_work() -> None:
    answer = scorer()
    for given, gold in (
        ("42", "42"),
        ("7", "42"),
        ("B", "b"),
        ("0.5", "0.25"),
        ("cat", "dog"),
        ("(1,2)", "(1,2)"),
    ):
        assert list(answer.prepare(subject(given, gold))) == []


def test_the_details_say_what_was_compared_and_how() -> None:
    found = score(subject("so \\boxed{\\frac{1}{2}}", "0.5"), extract="boxed", grader="strict")
    assert found.values == {"correct": 1.0, "score": 1.0}
    assert found.details["extracted"] == "\\frac{1}{2}"
    assert found.details["from"] == "boxed"
    assert found.details["kind"] == "math"
    assert found.details["compared"] == "quantity and quantity"


def test_the_details_do_not_carry_an_essay() -> None:
    found = score(subject("word " * 5000, "cat"), kind="text")
    assert len(found.details["extracted"]) <= 200


def test_any_of_several_gold_answers_is_right() -> None:
    asked = subject("two", golds=["2", "two", "zwei"])
    assert correct(asked, kind="text") == 1
    assert correct(subject("\\sqrt{4}+x", "9", golds=["8", "x+2"]), grader="strict") == 1
    assert correct(subject("three", golds=["2", "two"]), kind="text") == 0


def test_the_best_of_several_gold_answers_is_the_score() -> None:
    asked = subject("a red cat", golds=["blue dog", "red cat sat"])
    assert score(asked, kind="text", measure="token_f1").values["score"] == pytest.approx(0.8)


def test_a_right_answer_needs_no_verdict_on_the_other_gold_answers() -> None:
    asked = subject("5", golds=["5", "\\int x dx"])
    assert list(scorer(grader="strict").prepare(asked)) == []
    assert correct(asked, grader="strict") == 1


def test_a_wrong_answer_beside_an_unreadable_gold_answer_is_an_error() -> None:
    with pytest.raises(Fault) as caught:
        score(subject("6", golds=["5", "\\int x dx"]), grader="strict")
    assert caught.value.code is Code.REFERENCE_UNPARSABLE


@pytest.mark.parametrize(
    ("gold", "params"),
    [
        ("\\int_0^1 x dx", {"grader": "strict"}),
        ("", {"grader": "strict"}),
        ("a red ball", {"grader": "math_verify"}),
        ("several", {"kind": "number"}),
        ("none", {"kind": "choice"}),
        ("perhaps", {"kind": "yes_no"}),
        ("", {"kind": "text"}),
        ("", {"kind": "list"}),
        ("[]", {"kind": "json"}),
        ("soon", {"kind": "date"}),
        ("", {"kind": "span"}),
        ("", {"kind": "auto"}),
    ],
)
def test_an_unreadable_gold_answer_is_an_error_and_never_a_score(gold: str, params: dict[str, Any]) -> None:
    for given in (gold, "5", ""):
        with pytest.raises(Fault) as caught:
            score(subject(given, gold), **params)
        assert caught.value.code is Code.REFERENCE_UNPARSABLE
        assert caught.value.field == "reference.answer"


@pytest.mark.parametrize("kind", ["math", "number", "choice", "yes_no", "text", "auto"])
def test_a_missing_gold_answer_is_an_error(kind: str) -> None:
    with pytest.raises(Fault) as caught:
        scorer(kind=kind).prepare(subject("5"))
    assert caught.value.code is Code.MISSING_FIELD
    assert caught.value.field == "reference.answer"


def test_an_absent_piece_is_a_wrong_answer_or_none_as_the_recipe_says() -> None:
    asked = subject(None, "5")
    assert score(asked).values == {"correct": 0.0, "score": 0.0}
    assert score(asked).details["status"] == "no_answer"
    assert not score(asked, missing="not_applicable").applicable


def test_a_completion_without_the_box_that_is_asked_for_has_no_answer() -> None:
    found = score(subject("it is 5", "5"), extract="boxed", grader="strict")
    assert (found.values["correct"], found.details["status"]) == (0.0, "no_answer")


def test_a_likeness_counts_as_correct_from_the_threshold_on() -> None:
    asked = subject("a red cat", "red cat sat")
    assert score(asked, kind="text", measure="token_f1", threshold=0.8).values["correct"] == 1
    assert score(asked, kind="text", measure="token_f1", threshold=0.81).values["correct"] == 0


def test_options_of_the_item_reach_the_kind() -> None:
    asked = subject("red", "B", extra={"choices": ["blue", "red"]})
    assert correct(asked, kind="choice") == 1
    assert correct(asked, kind="auto") == 1


def test_a_route_needs_its_map_and_no_gold_answer() -> None:
    extra: dict[str, Any] = {"station_1": "A", "station_2": "B", "question_transfer_count": 0}
    text = "Route Name: 1\nDeparture Stop: A\nArrival Stop: B"
    answer = scorer(kind="route", profile="paper")
    assert answer.outputs == ("correct", "score", "detail")
    assert answer.needs == {
        "reference.extra.lines",
        "reference.extra.station_1",
        "reference.extra.station_2",
        "reference.extra.question_transfer_count",
    }
    with pytest.raises(Fault) as caught:
        score(subject(text, extra=extra), kind="route")
    assert caught.value.field == "reference.extra.lines"
    found = score(subject(text, extra={**extra, "lines": '{"1": ["A", "B"]}'}), kind="route", profile="paper")
    assert found.values == {"correct": 1.0, "score": 1.0, "detail": 1.0}


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"kind": "number", "grader": "strict"}, "grader"),
        ({"kind": "math", "absolute": 0.1}, "absolute"),
        ({"kind": "text", "measure": "f1"}, "measure"),
        ({"kind": "list", "measure": "anls"}, "measure"),
        ({"kind": "maths"}, "kind"),
        ({"kind": "number", "relative": -0.1}, "relative"),
        ({"colour": "red"}, "colour"),
        ({"threshold": 0.0}, "threshold"),
    ],
)
def test_a_parameter_that_the_kind_does_not_take_is_refused_by_name(
    params: dict[str, Any], word: str
) -> None:
    with pytest.raises(ValidationError, match=word):
        AnswerParams.model_validate(params)


def test_a_piece_that_no_extractor_makes_is_refused() -> None:
    with pytest.raises(ValueError, match="final"):
        scorer(text="final")


def test_every_option_of_every_kind_can_be_set_in_a_recipe() -> None:
    options = set().union(*(kind.option_names for kind in answers.KINDS.values()))
    assert options <= set(AnswerParams.model_fields)


def test_json_fields_come_as_a_list_from_a_recipe() -> None:
    params = AnswerParams.model_validate({"kind": "json", "fields": ["a", "b"]})
    assert params.fields == ("a", "b")
