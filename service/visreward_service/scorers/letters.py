"""The scorer for option letters: those that stand alone in a text, against those of the gold answer."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from visreward_service.scorers.base import Catalog, Params, Score, Scorer, Subject, Work


class LettersParams(Params):
    text: str = "completion"
    last: Annotated[str, Field(pattern=r"^[A-Z]$")] = "E"
    """Letters run from A to this one, in either case."""
    in_order: bool = True
    """Whether several letters must come in the gold answer's order."""
    empty: Literal["wrong", "equal"] = "wrong"
    """An answer without letters: wrong, or equal to a gold answer that has none either."""


class Letters(Scorer[LettersParams]):
    """Compares the letters beside which no other letter stands, each counted once, in order of appearance.

    Outputs: `equal`, 0 or 1; `jaccard`, the letters of both over those of either; `found`, how many the text
    has. The rule of Curr-ReFT's `extract_options` (ding523/Curr_REFT@f123433).
    """

    Params = LettersParams
    summary = "option letters that stand alone, against the reference's"

    def __init__(self, params: LettersParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        self._letter = re.compile(rf"(?<![A-Za-z])([A-{params.last}])(?![A-Za-z])")

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("equal", "jaccard", "found")

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"reference.answer"})

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        text = subject.text(self.params.text)
        given = [] if text is None else self._find(text)
        gold = self._find(subject.item.reference.answer or "")
        details = {"given": given, "gold": gold}
        if not given:
            empty = text is not None and not gold and self.params.empty == "equal"
            return Score({"equal": float(empty), "jaccard": float(empty), "found": 0.0}, details)
        equal = given == gold if self.params.in_order else set(given) == set(gold)
        jaccard = len(set(given) & set(gold)) / len(set(given) | set(gold))
        return Score({"equal": float(equal), "jaccard": jaccard, "found": float(len(given))}, details)

    def _find(self, text: str) -> list[str]:
        return list(dict.fromkeys(self._letter.findall(text.upper())))
