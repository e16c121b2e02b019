"""The scorer for RewardMap's questions with a word, letter or number for an answer, as its code reads them.

Routes are the kind `route` of the scorer `answer`.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from visreward.protocol import Code
from visreward_service.scorers.base import Fault, Params, Score, Scorer, Subject, Work

MAX_CHARS = 100_000
"""Longer texts have no answer."""

PHRASES = ("the final answer is", "the answer is", "the correct answer is", "the answer should be")
LETTERS = ("a", "b", "c", "d")
BOX = re.compile(r"oxed{(.*)}", re.DOTALL)
DROPPED = (
    (" ", ""),
    ("\\,", ""),
    ("∞", "\\infty"),
    ("+\\infty", "\\infty"),
    ("\\\\", "\\"),
    ("\n", ""),
    ("\\text", ""),
    ("\\mbox", ""),
    ("\\left", ""),
    ("\\right", ""),
    ("^{\\circ}", ""),
    ("^\\circ", ""),
    ("{m}^3", ""),
    ("m^3", ""),
    ("{units}", ""),
    ("units", ""),
    ("{km}", ""),
    ("km", ""),
    ("\\!", ""),
    ("\\$", ""),
    ("$", ""),
    ("\\%", ""),
)
"""In this order. The braces of a `\\text{}` stay."""


class MetroParams(Params):
    type: Literal["true_false", "option", "count"]
    """Yes or no; one of A to D, for the numbers 0 to 3; a whole number."""
    text: str = "completion"


class Metro(Scorer[MetroParams]):
    """1 where the answer is the reference's, by the rules of `reason_map.py` (fscdc/RewardMap@15428ac).

    The reference is yes or no, A to D or 0 to 3, or a whole number. Output: `correct`.
    """

    Params = MetroParams
    summary = "RewardMap's yes, letter or number in a box, as its released code cleans and compares it"

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("correct",)

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"reference.answer"})

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        wanted = self._read_gold(subject)
        text = subject.text(self.params.text)
        if text is None or len(text) > MAX_CHARS:
            return Score({"correct": 0.0}, {"status": "no_answer" if text is None else "too_long"})
        given = find_answer(text)
        return Score({"correct": float(self._read(given) == wanted)}, {"extracted": given[:200]})

    def _read_gold(self, subject: Subject) -> object:
        gold = (subject.item.reference.answer or "").strip().lower()
        if self.params.type == "option" and gold in ("0", "1", "2", "3"):
            return int(gold)
        wanted = self._read(gold)
        if wanted is None:
            message = f"the gold answer is none of type {self.params.type}"
            raise Fault(Code.REFERENCE_UNPARSABLE, message, field="reference.answer")
        return wanted

    def _read(self, answer: str) -> object:
        """Return what an answer says; None where it is of another type."""
        if self.params.type == "true_false":
            return answer if answer in ("yes", "no") else None
        if self.params.type == "option":
            return LETTERS.index(answer) if answer in LETTERS else None
        try:
            return int(answer) if len(answer) <= 100 else None
        except ValueError:
            return None


def find_answer(text: str) -> str:
    """Return the answer in lower case: of the last box, else behind a phrase, else the whole text."""
    if "oxed{" not in text:
        for phrase in PHRASES:
            for spelling in (phrase, phrase.replace("the", "The")):
                _, found, behind = text.rpartition(spelling)
                text = behind.strip()
                if found:
                    text = text.split("\n")[0].split(". ")[0]
    elif text.count("oxed{") > 1:
        text = "\\boxed{" + text.rpartition("oxed{")[2]
    return _clean(text).rstrip(".").lstrip(":").strip()


def _clean(text: str) -> str:
    text = text.lower().replace("{}", "")
    box = BOX.search(text)
    answer = box[1] if box else text
    opened, closed = answer.find("{"), answer.find("}")
    if closed != -1 and (opened == -1 or closed < opened):
        answer = answer[:closed]
    answer = answer.rpartition("=")[2].rpartition("\\approx")[2]
    for before, after in DROPPED:
        answer = answer.replace(before, after)
    return answer
