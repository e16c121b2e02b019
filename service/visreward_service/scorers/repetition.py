"""The scorer for repetition: the share of n-grams that a text has said before."""

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from visreward_service.scorers.base import Params, Score, Scorer, Subject, Work
from visreward_service.scorers.boxes import read_boxes

TOKEN = re.compile(r"[^\W\d_]+|\d+|\S", re.UNICODE)
CJK = re.compile(r"[\u3400-\u9fff\u3040-\u30ff\uf900-\ufaff]")


class RepetitionParams(Params):
    text: str = "completion"
    n: Annotated[int, Field(ge=1, le=64)] = 20
    """Units in an n-gram."""
    unit: Literal["words", "tokens", "entries"] = "words"
    """What lies between white space; words, digits and marks, each CJK character one; boxes with labels."""
    min_units: Annotated[int, Field(ge=0)] = 0
    """Shorter texts repeat nothing. Texts of fewer than `n` units never do."""
    lower: bool = True


class Repetition(Scorer[RepetitionParams]):
    """The share of repeated n-grams, 1 - distinct/all, in [0, 1); 0 where the text is too short to tell.

    Outputs: `repeated`, and `num_ngrams`. Perception-R1 (arXiv:2506.07218) takes 20-grams of words, VLM-R1
    6-grams, or single entries where the answer is a list of boxes.
    """

    Params = RepetitionParams
    summary = "share of n-grams that repeat: words, tokens or listed boxes"

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("repeated", "num_ngrams")

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        text = subject.text(self.params.text)
        units = [] if text is None else self._split(text)
        if len(units) < max(self.params.n, self.params.min_units):
            return Score({"repeated": 0.0, "num_ngrams": 0.0}, {"status": "short", "units": len(units)})
        num_ngrams = len(units) - self.params.n + 1
        distinct = count_distinct(units, self.params.n)
        values = {"repeated": 1 - distinct / num_ngrams, "num_ngrams": float(num_ngrams)}
        return Score(values, {"units": len(units), "distinct": distinct})

    def _split(self, text: str) -> Sequence[Hashable]:
        if self.params.unit == "entries":
            boxes = read_boxes(text, "tolerant", 100_000).boxes
            return [(found.box, found.label) for found in boxes]
        if self.params.lower:
            text = text.lower()
        return text.split() if self.params.unit == "words" else list(_split_tokens(text))


def _split_tokens(text: str) -> Iterable[str]:
    for token in TOKEN.findall(text):
        if CJK.search(token):
            yield from token
        else:
            yield token


def count_distinct(units: Sequence[Hashable], n: int) -> int:
    """Return how many distinct n-grams a sequence has. Memory: n references for each."""
    return len(set(zip(*(units[start:] for start in range(n)))))
