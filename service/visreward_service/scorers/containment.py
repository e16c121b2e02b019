"""The scorer for containment: whether a text holds the gold answer, or stands inside it."""

from collections.abc import Mapping
from typing import Any, Literal

from visreward.protocol import Code
from visreward.protocol.fields import Text
from visreward_service.scorers.base import Fault, Params, Score, Scorer, Subject, Work


class ContainmentParams(Params):
    text: str = "completion"
    drop: Text = ""
    """Characters taken out of both sides before they are compared."""
    lower: bool = True
    empty: Literal["wrong", "contained"] = "wrong"
    """An answer of which nothing is left: wrong, or a part of every text, as `in` has it."""


class Containment(Scorer[ContainmentParams]):
    """Compares a piece with `reference.answer`, character by character.

    Outputs, each 0 or 1: `either`, where one holds the other; `holds`, where the piece holds the gold answer;
    `inside`, the other way round; `equal`. An absent piece earns 0.
    """

    Params = ContainmentParams
    summary = "whether the answer holds the reference, or the other way round"

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("either", "holds", "inside", "equal")

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"reference.answer"})

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        gold = self._fold(subject.item.reference.answer or "")
        if not gold:
            message = "nothing of the gold answer is left to compare"
            raise Fault(Code.REFERENCE_UNPARSABLE, message, field="reference.answer")
        text = subject.text(self.params.text)
        given = None if text is None else self._fold(text)
        if given is None or (not given and self.params.empty == "wrong"):
            return Score(dict.fromkeys(self.outputs, 0.0), {"status": "no_answer"})
        values = {
            "either": float(gold in given or given in gold),
            "holds": float(gold in given),
            "inside": float(given in gold),
            "equal": float(given == gold),
        }
        return Score(values, {"compared": given[:200]})

    def _fold(self, text: str) -> str:
        text = text.translate({ord(char): None for char in self.params.drop}).strip()
        return text.lower() if self.params.lower else text
