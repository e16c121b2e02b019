"""Kind `list`: several items against several, in any order or in order."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from visreward_service.scorers.answers import notation, number, strict, text
from visreward_service.scorers.answers.kind import Kind
from visreward_service.scorers.answers.verdict import UnreadableGold, Verdict

Measure = Literal["exact", "f1", "precision", "recall", "jaccard"]
Items = Literal["text", "number", "math"]

MAX_ITEMS = 500
MAX_CHARS = 50_000
BULLET = re.compile(r"\s*(?:[-*•]|\d{1,3}[.)])\s+")
CONJUNCTION = re.compile(r"\s*(?:,\s*)?\b(?:and|or)\b\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """What the items are and how the lists are compared."""

    items: Items = "text"
    ordered: bool = False
    measure: Measure = "exact"


def read_items(answer: str) -> list[str]:
    """Return the items of a JSON list, of lines, or of a text with semicolons or commas."""
    answer = notation.unwrap(answer)
    if answer.startswith("["):
        try:
            items = json.loads(answer)
        except (ValueError, RecursionError):
            items = None
        if isinstance(items, list) and not any(isinstance(item, (list, dict)) for item in items):
            return [str(item) for item in items]
    if answer[:1] in "([{" and answer[-1:] in ")]}":
        answer = answer[1:-1]
    lines = [BULLET.sub("", line, count=1) for line in answer.splitlines() if line.strip()]
    if len(lines) > 1:
        return [line.strip() for line in lines]
    separator = ";" if ";" in answer else ","
    pieces = CONJUNCTION.sub(separator, lines[0] if lines else "").split(separator)
    return [piece.strip().strip("\"'`") for piece in pieces if piece.strip()]


def _same(kind: Items) -> Callable[[str, str], bool]:
    if kind == "math":
        return lambda given, gold: strict.judge(given, gold).score == 1.0
    if kind == "number":
        return lambda given, gold: number.judge(given, gold, number.NumberOptions()).score == 1.0
    return lambda given, gold: text.normalise(given) == text.normalise(gold) != ""


def _num_pairs(given: Sequence[str], gold: Sequence[str], options: ListOptions) -> int:
    """Return how many items agree: place by place if ordered, else each gold item with one given item."""
    same = _same(options.items)
    if options.ordered:
        return sum(same(one, other) for one, other in zip(given, gold))
    left = list(given)
    for item in gold:
        for place, candidate in enumerate(left):
            if same(candidate, item):
                del left[place]
                break
    return len(given) - len(left)


MEASURES: dict[str, Callable[[int, int, int], float]] = {
    "exact": lambda pairs, had, wanted: float(pairs == had == wanted),
    "f1": lambda pairs, had, wanted: 2 * pairs / (had + wanted),
    "precision": lambda pairs, had, _: pairs / had,
    "recall": lambda pairs, _, wanted: pairs / wanted,
    "jaccard": lambda pairs, had, wanted: pairs / (had + wanted - pairs),
}


def judge(given: str, gold: str, options: ListOptions) -> Verdict:
    """Compare two lists by the measure."""
    wanted = read_items(gold)
    if not wanted or len(wanted) > MAX_ITEMS:
        raise UnreadableGold("the gold answer is no list")
    had = read_items(given) if len(given) <= MAX_CHARS else []
    if not had or len(had) > MAX_ITEMS:
        return Verdict.of(False, "no list")
    pairs = _num_pairs(had, wanted, options)
    score = MEASURES[options.measure](pairs, len(had), len(wanted))
    return Verdict(
        score, f"{options.measure} of {options.items} items", {"given": len(had), "gold": len(wanted)}
    )


KIND = Kind("several items, in any order or in order", ListOptions, judge)
