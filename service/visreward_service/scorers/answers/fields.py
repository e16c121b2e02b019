"""Kind `json`: the fields of one object against those of another."""

import json
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from visreward_service.scorers.answers.kind import Kind
from visreward_service.scorers.answers.text import normalise
from visreward_service.scorers.answers.verdict import UnreadableGold, Verdict

MAX_CHARS = 100_000
MAX_DEPTH = 60
FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL | re.IGNORECASE)
BRACE = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]')


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonOptions:
    """Which fields are compared and how near numbers must be."""

    fields: tuple[str, ...] | None = None
    """Names of the fields; all of the gold object's where there are none."""
    absolute: float = 0.0
    """Largest difference between two numbers that is right."""
    extra_fields: bool = True
    """Whether the given object may have fields that the gold one lacks."""


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("too large a number")
    return number


def read_object(text: str) -> dict[str, Any] | None:
    """Return the first JSON object in a text, or in its first code fence; None where there is none."""
    fenced = FENCE.search(text)
    text = fenced.group(1) if fenced else text
    start = text.find("{")
    if start < 0 or len(text) > MAX_CHARS:
        return None
    depth = 0
    for match in BRACE.finditer(text, start):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(match.group(), 0)
        if depth > MAX_DEPTH:
            return None
        if depth == 0:
            return _load(text[start : match.end()])
    return None


def _load(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _same(given: Any, gold: Any, absolute: float) -> bool:
    if isinstance(gold, bool) or isinstance(given, bool) or gold is None or given is None:
        return given is gold
    if isinstance(gold, (int, float)) and isinstance(given, (int, float)):
        return abs(Fraction(repr(given)) - Fraction(repr(gold))) <= Fraction(repr(absolute))
    if isinstance(gold, str) and isinstance(given, str):
        return given.strip() == gold.strip() or normalise(given) == normalise(gold) != ""
    if isinstance(gold, list) and isinstance(given, list):
        pairs = zip(given, gold)
        return len(given) == len(gold) and all(_same(one, other, absolute) for one, other in pairs)
    if isinstance(gold, dict) and isinstance(given, dict):
        return given.keys() == gold.keys() and all(_same(given[name], gold[name], absolute) for name in gold)
    return False


def judge(given: str, gold: str, options: JsonOptions) -> Verdict:
    """Return the share of fields that agree."""
    wanted = read_object(gold)
    names = options.fields or tuple(wanted or ())
    if wanted is None or not names or any(name not in wanted for name in names):
        raise UnreadableGold("the gold answer is no JSON object with the fields that are compared")
    had = read_object(given)
    if had is None:
        return Verdict.of(False, "no JSON object")
    right = [name for name in names if name in had and _same(had[name], wanted[name], options.absolute)]
    facts = {"wrong": [name for name in names if name not in right]}
    if not options.extra_fields and set(had) - set(wanted):
        return Verdict(0.0, "fields that do not belong", facts)
    return Verdict(len(right) / len(names), "share of fields", facts)


KIND = Kind("fields of a JSON object", JsonOptions, judge)
