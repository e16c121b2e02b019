"""The format scorer for headings: whether a text has the sections it was asked for."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from visreward.protocol.fields import Text
from visreward_service.scorers.base import Catalog, Params, Score, Scorer, Subject, Work
from visreward_service.scorers.patterns import LIMIT_SECONDS, Budget, Pattern, compile_pattern


def compile_heading(heading: str, *, ignore_case: bool = True) -> re.Pattern[str]:
    """Return a pattern for a heading in which white space stands for any white space or none.

    It reads any text in linear time: each run of white space is read once for the words before it. Raise
    ValueError for a heading without a character to find.
    """
    words = heading.split()
    if not words:
        raise ValueError("an empty heading")
    return re.compile(r"\s*".join(map(re.escape, words)), re.IGNORECASE if ignore_case else 0)


class SectionsParams(Params):
    text: str = "completion"
    """The piece to look in."""
    require: Annotated[list[Text], Field(min_length=1, max_length=64)] | None = None
    """Headings, in which white space stands for any white space or none."""
    patterns: Annotated[list[Text], Field(min_length=1, max_length=64)] | None = None
    """The same as patterns of Python's `re`."""
    ignore_case: bool = True
    order: Literal["any", "given"] = "any"
    """`given`: each section must stand behind the one before it."""

    @model_validator(mode="after")
    def _has_one_list(self) -> "SectionsParams":
        if (self.require is None) == (self.patterns is None):
            raise ValueError("needs either require or patterns")
        return self


class Sections(Scorer[SectionsParams]):
    """1.0 where every required section is found, else 0.0.

    With PeBR-R1's four patterns, its format reward (arXiv 2509.13031, `examples/reward_function/pebr_1.py`).
    A text that is absent has no section. Outputs: `format`, and `fraction`, the share of sections found.
    """

    Params = SectionsParams
    summary = "format: required headings, anywhere or in order"

    def __init__(self, params: SectionsParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        self.names = params.require or params.patterns or []
        self.finders: list[re.Pattern[str] | Pattern]
        if params.require is not None:
            self.finders = [compile_heading(one, ignore_case=params.ignore_case) for one in params.require]
        else:
            self.finders = [compile_pattern(one, ignore_case=params.ignore_case) for one in self.names]

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("format", "fraction")

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        text = subject.text(self.params.text)
        missing = self.names if text is None else self._find_missing(text)
        fraction = 1.0 - len(missing) / len(self.names)
        return Score({"format": 0.0 if missing else 1.0, "fraction": fraction}, {"missing": list(missing)})

    def _find_missing(self, text: str) -> Sequence[str]:
        budget = Budget(LIMIT_SECONDS)
        in_order = self.params.order == "given"
        position = 0
        missing = []
        for name, finder in zip(self.names, self.finders, strict=True):
            found = (
                finder.search(text, budget, f'section "{name}"', position)
                if isinstance(finder, Pattern)
                else finder.search(text, position)
            )
            if found is None:
                missing.append(name)
            elif in_order:
                position = found.end if not isinstance(found, re.Match) else found.end()
        return missing
