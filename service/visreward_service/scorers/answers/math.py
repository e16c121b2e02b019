"""Kind `math`: one expression against another, by the grader that the recipe names."""

from dataclasses import dataclass
from typing import Literal

from visreward_service.scorers.answers import graders, strict
from visreward_service.scorers.answers.kind import Kind
from visreward_service.scorers.answers.verdict import Verdict

Grader = Literal["mathruler", "math_verify", "strict"]
Wrap = Literal["none", "gold", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MathOptions:
    """How expressions are compared."""

    grader: Grader = "mathruler"
    wrap: Wrap = "none"
    r"""What to put in a box for math_verify, which reads LaTeX only inside `$` or `\boxed{}`."""
    reading: graders.Reading = "any"
    given_first: bool = False
    """Whether math_verify takes the given answer for the gold one, as much code does."""
    lower: bool = False
    """Whether math_verify gets both in lower case."""


def _dressed(given: str, gold: str, options: MathOptions) -> tuple[str, str]:
    if options.lower:
        given, gold = given.lower(), gold.lower()
    if options.wrap != "none":
        gold = f"\\boxed{{{gold}}}"
    if options.wrap == "both":
        given = f"\\boxed{{{given}}}"
    return given, gold


def judge(given: str, gold: str, options: MathOptions) -> Verdict:
    """Return the grader's verdict."""
    if options.grader == "strict":
        return strict.judge(given, gold)
    if options.grader == "math_verify":
        texts = _dressed(given, gold, options)
        return graders.math_verify(*texts, options.reading, given_first=options.given_first)
    return graders.mathruler(given, gold)


def settle(given: str, gold: str, options: MathOptions) -> Verdict | None:
    """Return the grader's verdict where a shortcut is certain of it."""
    if options.grader == "strict":
        return strict.settle(given, gold)
    if options.grader == "math_verify":
        return graders.settle_math_verify(*_dressed(given, gold, options), options.reading)
    return graders.settle_mathruler(given, gold)


KIND = Kind("expressions, by mathruler, math_verify or the strict profile", MathOptions, judge, settle)
