"""The scorer for final answers in Minerva's normal form, as DAPO and EasyR1 (`dapo.py`) compare them.

Two answers are equal where their normal forms are the same text; no mathematics is done.
"""

import re
from collections.abc import Mapping
from typing import Any

from visreward.protocol import Code
from visreward_service.scorers.base import Fault, Params, Score, Scorer, Subject, Work

MAX_CHARS = 4_000
"""A longer answer equals nothing."""

REPLACED = (
    ("an ", ""),
    ("a ", ""),
    (".$", "$"),
    (r"\$", ""),
    ("\\ ", ""),
    (" ", ""),
    ("mbox", "text"),
    (r",\text{and}", ","),
    (r"\text{and}", ","),
    (r"\text{m}", r"\text{}"),
)
UNITS = (
    "square",
    "ways",
    "integers",
    "dollars",
    "mph",
    "inches",
    "hours",
    "km",
    "units",
    "\\ldots",
    "sue",
    "points",
    "feet",
    "minutes",
    "digits",
    "cents",
    "degrees",
    "cm",
    "gm",
    "pounds",
    "meters",
    "meals",
    "edges",
    "students",
    "childrentickets",
    "multiples",
)
MARKS = (
    r"\text{s}",
    r"\text{.}",
    "\\text{\ns}",
    r"\text{}^2",
    r"\text{}^3",
    "\\text{\n}",
    r"\text{}",
    r"\mathrm{th}",
    r"^\circ",
    r"^{\circ}",
    r"\;",
    r",\!",
    "{,}",
    '"',
    r"\dots",
)
REWRITTEN = (
    (re.compile(r".*?\$(.*?)\$.*"), r"$\1$"),
    (re.compile(r"\\text\{(.*?)\}"), r"\1"),
    (re.compile(r"\\textbf\{(.*?)\}"), r"\1"),
    (re.compile(r"\\overline\{(.*?)\}"), r"\1"),
    (re.compile(r"\\boxed\{(.*)\}"), r"\1"),
    (re.compile(r"frac([^{])(.)"), r"frac{\1}{\2}"),
    (re.compile(r"sqrt([^{])"), r"sqrt{\1}"),
)
"""Applied in this order: a formula within dollars stands for the whole; then commands, then short forms."""


class MinervaParams(Params):
    text: str = "completion"


class Minerva(Scorer[MinervaParams]):
    """1 where the piece and `reference.answer` have the same normal form, else 0.

    The normal form is that of Minerva (arXiv:2206.14858, appendix D.1): what stands behind the last equals
    sign, without articles, units, spaces and LaTeX dressing. An absent or empty piece is wrong. Output:
    `equal`.
    """

    Params = MinervaParams
    summary = "a final answer equal to the reference in Minerva's normal form (DAPO)"

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("equal",)

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"reference.answer"})

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        gold = normalise(subject.item.reference.answer or "")
        if not gold:
            message = "nothing of the gold answer is left to compare"
            raise Fault(Code.REFERENCE_UNPARSABLE, message, field="reference.answer")
        text = subject.text(self.params.text)
        if text is None or len(text) > MAX_CHARS:
            return Score({"equal": 0.0}, {"status": "no_answer" if text is None else "too_long"})
        given = normalise(text)
        return Score({"equal": float(given == gold)}, {"given": given[:200], "gold": gold[:200]})


def normalise(answer: str) -> str:
    """Return Minerva's normal form."""
    answer = answer.rpartition("=")[2]
    for before, after in REPLACED:
        answer = answer.replace(before, after)
    for dropped in (*UNITS, *MARKS):
        answer = answer.replace(dropped, "")
    for pattern, replacement in REWRITTEN:
        answer = pattern.sub(replacement, answer)
    answer = answer.replace("$", "")
    digits = answer.replace(",", "")
    return digits if digits.isdigit() else answer.strip()
