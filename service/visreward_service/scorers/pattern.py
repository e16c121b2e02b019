"""The scorer for format by pattern: a regular expression of Python's `re`, under a time limit."""

from collections.abc import Mapping
from typing import Any, Literal

from visreward.protocol.fields import Text
from visreward_service.scorers.base import Catalog, Params, Score, Scorer, Subject, Work
from visreward_service.scorers.patterns import LIMIT_SECONDS, Budget, compile_pattern

MAX_COUNTED = 1000

ANCHORS = {"search": "{}", "match": r"\A(?:{})", "fullmatch": r"\A(?:{})\Z"}


class PatternParams(Params):
    text: str = "completion"
    pattern: Text
    """Means what it means to Python's `re`."""
    mode: Literal["search", "match", "fullmatch"] = "search"
    ignore_case: bool = False
    dot_all: bool = True
    """A dot matches a newline too."""


class PatternFormat(Scorer[PatternParams]):
    """1 where the pattern matches, else 0; an absent text does not match.

    Outputs: `found`, and `count`, the matches of a `search` that do not overlap, counted up to 1000. Raises
    `rule_timeout` for an item on which the pattern runs past the limit.
    """

    Params = PatternParams
    summary = "format: a regular expression, searched or matched whole"

    def __init__(self, params: PatternParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        source = ANCHORS[params.mode].format("\0").replace("\0", params.pattern)
        self._pattern = compile_pattern(source, ignore_case=params.ignore_case, dot_all=params.dot_all)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("found", "count")

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        text = subject.text(self.params.text)
        count = 0 if text is None else self._count(text)
        return Score({"found": float(count > 0), "count": float(count)})

    def _count(self, text: str) -> int:
        budget, count, position = Budget(LIMIT_SECONDS), 0, 0
        while count < MAX_COUNTED and position <= len(text):
            match = self._pattern.search(text, budget, "the pattern", position)
            if match is None:
                break
            count += 1
            if self.params.mode != "search":
                break
            position = match.end if match.end > match.start else match.end + 1
        return count
