"""The scorer for writing systems: whether a text keeps to the scripts it was asked for."""

import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import regex
from pydantic import Field

from visreward_service.scorers.base import Catalog, Params, Score, Scorer, Subject, Work

Script = Literal[
    "Latin",
    "Han",
    "Hiragana",
    "Katakana",
    "Hangul",
    "Cyrillic",
    "Greek",
    "Arabic",
    "Hebrew",
    "Devanagari",
    "Thai",
]
HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})
"""Unicode categories of what shows nothing: controls, formats (zero width, right to left), unassigned."""
PLAIN = frozenset("\t\n\r")


class CharsetParams(Params):
    text: str = "completion"
    scripts: Annotated[list[Script], Field(min_length=1)] = ["Latin"]
    """Scripts that letters may come from. Mathematical and full-width letters count by their plain forms."""
    max_foreign: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Largest share of other letters that is still clean."""
    allow_hidden: bool = False
    """Whether invisible characters (zero width, direction marks, controls) are no fault."""


class Charset(Scorer[CharsetParams]):
    """Whether letters belong to the named scripts and nothing is hidden.

    Outputs: `clean`, 0 or 1; `share`, the share of letters in the named scripts, 1 for a text without
    letters; `num_hidden`, invisible characters other than tab and line ends. An absent text is not clean.
    """

    Params = CharsetParams
    summary = "letters of the named scripts only, no invisible characters"

    def __init__(self, params: CharsetParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        self._own = regex.compile("".join(["[", *(rf"\p{{Script={name}}}" for name in params.scripts), "]"]))

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("clean", "share", "num_hidden")

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        text = subject.text(self.params.text)
        if text is None:
            return Score({"clean": 0.0, "share": 0.0, "num_hidden": 0.0}, {"status": "missing"})
        letters = [char for char in unicodedata.normalize("NFKC", text) if char.isalpha()]
        num_own = sum(1 for _ in self._own.finditer("".join(letters)))
        share = num_own / len(letters) if letters else 1.0
        num_hidden = sum(1 for char in text if unicodedata.category(char) in HIDDEN and char not in PLAIN)
        clean = 1.0 - share <= self.params.max_foreign and (self.params.allow_hidden or num_hidden == 0)
        return Score({"clean": float(clean), "share": share, "num_hidden": float(num_hidden)})
