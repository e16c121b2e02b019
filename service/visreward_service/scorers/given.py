"""Scorers for what the trainer brings along: a number, and a second answer to be judged like the first."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from visreward.protocol import Code
from visreward.protocol.fields import Name
from visreward_service.scorers.answer import Answer, AnswerParams
from visreward_service.scorers.base import Catalog, Fault, Params, Score, Scorer, Subject, Work
from visreward_service.scorers.regression import read_number

PIECE = "second_answer"
"""What the second answer is called among the pieces of the `answer` scorer."""


class GivenParams(Params):
    name: Name
    """Name of the number in `reference.extra`."""
    words: dict[Name, float] | None = None
    """Numbers that texts stand for, such as `{easy = 1.0, hard = 1.5}`; other texts are an item error."""
    low: float | None = None
    high: float | None = None
    """Bounds; a number beyond them is an item error."""
    default: float | None = None
    """The value where the item has no such number; None makes that an item error."""


class Given(Scorer[GivenParams]):
    """A number of `reference.extra`, as it is: a weight, a verdict of another model, a share of the training.

    Output: `given`.
    """

    Params = GivenParams
    summary = "a number that the trainer sends in reference.extra"

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("given",)

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        name, default = self.params.name, self.params.default
        if default is not None and subject.item.reference.extra.get(name) is None:
            return Score({"given": default}, {"status": "default"})
        number = read_number(subject, name) if self.params.words is None else self._translate(subject)
        low, high = self.params.low, self.params.high
        if (low is not None and number < low) or (high is not None and number > high):
            field = f"reference.extra.{name}"
            raise Fault(Code.INVALID_ITEM, f"{field} lies beyond its bounds", field=field)
        return Score({"given": number})

    def _translate(self, subject: Subject) -> float:
        word = subject.item.reference.extra.get(self.params.name)
        words = self.params.words or {}
        field = f"reference.extra.{self.params.name}"
        if word is None:
            raise Fault(Code.MISSING_FIELD, f"the term needs {field}", field=field)
        if not isinstance(word, str) or word not in words:
            raise Fault(Code.INVALID_ITEM, f"{field} must be one of {', '.join(words)}", field=field)
        return words[word]


class SecondAnswerParams(AnswerParams):
    name: Name = PIECE
    """Name of the text in `reference.extra`."""


class SecondAnswer(Scorer[SecondAnswerParams]):
    """The `answer` scorer over a text of `reference.extra`: what a second model, or a second turn, answered.

    Takes the parameters of `answer` but for `text`, and `name`, the text's name in `reference.extra`
    (`second_answer` by default). A text that is missing is an item error: the trainer did not ask.
    Outputs: those of `answer`.
    """

    Params = SecondAnswerParams
    summary = "an answer that the trainer brings along, judged like the completion's own"

    def __init__(self, params: SecondAnswerParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        if "text" in params.model_fields_set:
            raise ValueError("takes name instead of text")
        own = params.model_dump(exclude_unset=True, exclude={"name"})
        inner = AnswerParams.model_validate({**own, "text": PIECE})
        self._answer = Answer(inner, replace(catalog, pieces=catalog.pieces | {PIECE}))

    @property
    def outputs(self) -> tuple[str, ...]:
        return self._answer.outputs

    @property
    def needs(self) -> frozenset[str]:
        return self._answer.needs

    def prepare(self, subject: Subject) -> Sequence[Work]:
        return self._answer.prepare(self._turn(subject))

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:
        return self._answer.finish(self._turn(subject), results)

    def _turn(self, subject: Subject) -> Subject:
        """Return the item with the second answer as its only piece."""
        field = f"reference.extra.{self.params.name}"
        text = subject.item.reference.extra.get(self.params.name)
        if text is None:
            raise Fault(Code.MISSING_FIELD, f"the term needs {field}", field=field)
        if not isinstance(text, str):
            raise Fault(Code.INVALID_ITEM, f"{field} must be a text", field=field)
        return Subject(subject.item, {PIECE: text})
