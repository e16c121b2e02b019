"""Kind `auto`: the kind that the gold answer looks like."""

import re
from dataclasses import dataclass
from typing import Any

from visreward_service.scorers.answers import choice, date, fields, math, notation, number, text, yes_no
from visreward_service.scorers.answers.kind import Kind
from visreward_service.scorers.answers.verdict import Verdict

LETTER = re.compile(r"[(\[]?\s*[A-J]\s*[)\].:]?")
LETTERS = re.compile(r"[A-J](?:\s*[,;]\s*[A-J])+")
PLAIN_NUMBER = re.compile(r"[-+]?[$€£¥]?\s?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|\d)\s?%?", re.ASCII)
WHOLE_DAY = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}|[A-Za-z]{3,9}\.? \d{1,2},? \d{4}|\d{1,2} [A-Za-z]{3,9}\.? \d{4}"
)
SENTENCE = re.compile(r"[^\W\d_]{2,}")
MATHEMATICS = re.compile(r"[\\^_=<>{}+*/]|\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoOptions:
    """What only some of the kinds use."""

    absolute: float = 0.0
    """For numbers and JSON fields."""
    relative: float = 0.0
    """For numbers."""
    choices: tuple[str, ...] | None = None
    """From the item: the options' texts."""


def kind_of(gold: str, choices: tuple[str, ...] | None = None) -> str:
    """Return the name of the kind that a gold answer has."""
    gold = notation.unwrap(notation.fold(gold))
    if choices or LETTER.fullmatch(gold) or LETTERS.fullmatch(gold):
        return "choice"
    if PLAIN_NUMBER.fullmatch(gold):
        return "number"
    if gold.lower() in ("yes", "no", "true", "false"):
        return "yes_no"
    if gold.startswith("{") and fields.read_object(gold):
        return "json"
    if WHOLE_DAY.fullmatch(gold) and date.read_day(gold, date.DateOptions()):
        return "date"
    return "math" if MATHEMATICS.search(gold) or not SENTENCE.search(gold) else "text"


def _delegate(gold: str, options: AutoOptions) -> tuple[Kind, Any]:
    several = LETTERS.fullmatch(notation.unwrap(gold)) is not None
    return {
        "choice": (choice.KIND, choice.ChoiceOptions(choices=options.choices, several=several)),
        "number": (number.KIND, number.NumberOptions(absolute=options.absolute, relative=options.relative)),
        "yes_no": (yes_no.KIND, yes_no.YesNoOptions()),
        "json": (fields.KIND, fields.JsonOptions(absolute=options.absolute)),
        "date": (date.KIND, date.DateOptions()),
        "math": (math.KIND, math.MathOptions(grader="strict")),
        "text": (text.KIND, text.TextOptions()),
    }[kind_of(gold, options.choices)]


def judge(given: str, gold: str, options: AutoOptions) -> Verdict:
    """Judge by the kind of the gold answer."""
    kind, chosen = _delegate(gold, options)
    return kind.judge(given, gold, chosen)


def settle(given: str, gold: str, options: AutoOptions) -> Verdict | None:
    """Settle by the kind of the gold answer."""
    kind, chosen = _delegate(gold, options)
    return kind.settle(given, gold, chosen)


KIND = Kind("the kind that the gold answer looks like", AutoOptions, judge, settle, context=("choices",))
