"""The format scorer for tags: whether a text is laid out in `<think>` and `<answer>`, or in other tags."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field

from visreward.protocol.fields import Name
from visreward_service.scorers.base import Catalog, Params, Score, Scorer, Subject, Work

GAPS = {"nothing": "", "space": r"\s*"}


class TagsParams(Params):
    text: str = "completion"
    layout: Annotated[list[Name], Field(min_length=1, max_length=16)] = ["think", "answer"]
    """Names of the tags, in order."""
    between: Literal["nothing", "space", "anything"] = "space"
    """What may stand between one tag's end and the next one's beginning."""
    around: Literal["nothing", "space", "anything"] = "nothing"
    """What may stand before the first tag and behind the last one."""
    once: bool = False
    """Whether each tag must open and close exactly once in the whole text."""
    ignore_case: bool = False


class Tags(Scorer[TagsParams]):
    r"""1.0 where the text has the layout, else 0.0.

    With the defaults, the format reward of EasyR1's r1v (hiyouga/EasyR1@b44b311) and of VLM-R1
    (om-ai-lab/VLM-R1@90052f4): a full match of `<think>.*?</think>\s*<answer>.*?</answer>` in which a dot
    matches everything. Reads any text in linear time: where a layout can be matched at all, the earliest end
    of each tag that the next one can follow leaves most room for the rest. Output: `format`.
    """

    Params = TagsParams
    summary = "format: a layout of tags such as <think>...</think> <answer>...</answer>"

    def __init__(self, params: TagsParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        flags = re.IGNORECASE if params.ignore_case else 0
        names = [re.escape(name) for name in params.layout]
        self.openings = [re.compile(f"<{name}>", flags) for name in names]
        self.closings = [re.compile(f"</{name}>", flags) for name in names]
        gap = GAPS.get(params.between)
        self.joints = [
            None if gap is None else re.compile(f"</{name}>{gap}<{follower}>", flags)
            for name, follower in pairwise(names)
        ]

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("format",)

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        text = subject.text(self.params.text)
        fault = "the text is absent" if text is None else self._find_fault(text)
        return Score({"format": 0.0 if fault else 1.0}, {"fault": fault} if fault else {})

    def _find_fault(self, text: str) -> str | None:
        """Return why the text does not have the layout, or None."""
        if self.params.around == "space":
            text = text.strip()
        first = self.openings[0]
        opening = first.search(text) if self.params.around == "anything" else first.match(text)
        if opening is None:
            return f"does not begin with <{self.params.layout[0]}>"
        position = opening.end()
        for index, joint in enumerate(self.joints):
            passed = self._pass(index, joint, text, position)
            if passed is None:
                this, following = self.params.layout[index : index + 2]
                return f"<{following}> does not follow </{this}>"
            position = passed
        last = self.closings[-1]
        ends = [match.end() for match in last.finditer(text, position)]
        if not ends or (self.params.around != "anything" and ends[-1] != len(text)):
            return f"does not end with </{self.params.layout[-1]}>"
        return self._find_repeated(text) if self.params.once else None

    def _pass(self, index: int, joint: "re.Pattern[str] | None", text: str, position: int) -> int | None:
        """Return where the next tag's content begins."""
        if joint is not None:
            found = joint.search(text, position)
            return found.end() if found else None
        closing = self.closings[index].search(text, position)
        opening = self.openings[index + 1].search(text, closing.end()) if closing else None
        return opening.end() if opening else None

    def _find_repeated(self, text: str) -> str | None:
        for name, opening, closing in zip(self.params.layout, self.openings, self.closings):
            expected = self.params.layout.count(name)
            if len(opening.findall(text)) != expected or len(closing.findall(text)) != expected:
                return f"<{name}> or </{name}> stands there more than once"
        return None
