"""The scorer for a symbolic shortcut: math_verify's verdict where it has one, else 0."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from visreward.protocol import Code
from visreward.protocol.fields import Text
from visreward_service.scorers.answer import Answer, AnswerParams
from visreward_service.scorers.answers import graders
from visreward_service.scorers.base import Catalog, Fault, Params, Score, Scorer, Subject, Work


class SymbolicParams(Params):
    text: str = "completion"
    """The piece that math_verify reads."""
    around: Annotated[list[Text], Field(min_length=2, max_length=2)] = ["", ""]
    """What stands before and behind `reference.answer` when math_verify reads it."""
    reading: graders.Reading = "any"
    """What it reads: any text, LaTeX alone in the completion, or LaTeX alone on both sides."""
    gold: Literal["first", "second"] = "second"
    """Which side the reference is of math_verify's two, which it does not treat alike."""
    lower: bool = False
    """Whether it gets both in lower case."""
    unreadable: Literal["wrong", "right"] = "wrong"
    """What a completion is where math_verify finds nothing in the reference."""


class Symbolic(Scorer[SymbolicParams]):
    """1 where math_verify takes the text for the reference, else 0.

    Code that descends from R1-V tries this before its own comparison, on any text and any reference, which it
    gives to math_verify as the second side; a reference without mathematics fails this test and no more.
    Alone it judges no answer; use `answer` for that, which refuses such a reference. Output: `symbolic`.
    """

    Params = SymbolicParams
    summary = "math_verify as the first of several tests: 1, or 0 where it has no verdict"

    def __init__(self, params: SymbolicParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        inner = AnswerParams(
            text=params.text,
            kind="math",
            grader="math_verify",
            reading=params.reading,
            given_first=params.gold == "second",
            lower=params.lower,
        )
        self._answer = Answer(inner, catalog)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("symbolic",)

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"reference.answer"})

    def prepare(self, subject: Subject) -> Sequence[Work]:
        try:
            return self._answer.prepare(self._turn(subject))
        except Fault as fault:
            _pass_over_unreadable(fault)
            return ()

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:
        try:
            score = self._answer.finish(self._turn(subject), results)
        except Fault as fault:
            _pass_over_unreadable(fault)
            right = float(self.params.unreadable == "right")
            return Score({"symbolic": right}, {"status": "no_mathematics"})
        return Score({"symbolic": score.values["correct"]}, score.details)

    def _turn(self, subject: Subject) -> Subject:
        before, behind = self.params.around
        given = subject.item.reference
        gold = None if given.answer is None else f"{before}{given.answer}{behind}"
        reference = given.model_copy(update={"answer": gold, "answers": None})
        return Subject(subject.item.model_copy(update={"reference": reference}), subject.pieces)


def _pass_over_unreadable(fault: Fault) -> None:
    if fault.code is not Code.REFERENCE_UNPARSABLE:
        raise fault
