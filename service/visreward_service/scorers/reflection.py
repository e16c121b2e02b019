"""The scorer for reflection words: whether and how often a text says that it looks again."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from visreward.protocol.fields import Text
from visreward_service.scorers.base import Catalog, Params, Score, Scorer, Subject, Work

WORDS = [
    "re-check",
    "re-evaluate",
    "re-examine",
    "re-think",
    "recheck",
    "reevaluate",
    "reexamine",
    "reevaluation",
    "rethink",
    "check again",
    "think again",
    "try again",
    "verify",
    "wait",
    "yet",
]
"""The list that V-Triune's `metric_utils.py` keeps statistics of."""


class ReflectionParams(Params):
    text: str = "completion"
    words: Annotated[list[Text], Field(min_length=1, max_length=256)] = WORDS
    whole_words: bool = True
    """Whether "yet" is left alone inside "yeti". Letter case never matters."""


class Reflection(Scorer[ReflectionParams]):
    """Counts reflection words, overlapping ones once.

    Outputs: `present`, 0 or 1; `ratio`, how many there are per word of the text, at most 1; `count`.
    """

    Params = ReflectionParams
    summary = "reflection words such as wait, verify and re-check"

    def __init__(self, params: ReflectionParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        if not all(word.strip() for word in params.words):
            raise ValueError("words: an empty word")
        longest_first = sorted(params.words, key=len, reverse=True)
        written = "|".join(re.escape(word) for word in longest_first)
        edges = (r"(?<!\w)", r"(?!\w)") if params.whole_words else ("", "")
        self._pattern = re.compile(f"{edges[0]}(?:{written}){edges[1]}", re.IGNORECASE)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("present", "ratio", "count")

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        text = subject.text(self.params.text) or ""
        count = sum(1 for _ in self._pattern.finditer(text))
        ratio = min(1.0, count / max(len(text.split()), 1))
        return Score({"present": float(count > 0), "ratio": ratio, "count": float(count)})
