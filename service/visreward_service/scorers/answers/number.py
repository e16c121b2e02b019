"""Kind `number`: one value against another, within tolerances, with units and percent signs."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from visreward_service.scorers.answers import identity, notation, reading
from visreward_service.scorers.answers.formula import Apply, FormulaError, Node
from visreward_service.scorers.answers.kind import Kind
from visreward_service.scorers.answers.reading import Quantity
from visreward_service.scorers.answers.units import Unit
from visreward_service.scorers.answers.verdict import UnreadableGold, Verdict

Units = Literal["convert", "ignore", "require"]
Percent = Literal["value", "ignore"]

MAX_CHARS = 2_000
"""Longest text in which a number is looked for."""
SIMPLE = re.compile(
    r"(-?)(?:(\d{1,3}(?:,\d{3})+|\d{1,15})(\.\d{1,15})?|(\d{1,9})/(\d{1,9}))(\s?%)?", re.ASCII
)
IN_TEXT = re.compile(
    r"(?<![\w.])-?\s?[$€£¥]?\s?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|\d)(?:\s?/\s?\d+|[eE][+-]?\d{1,4})?(?:\s?%)?",
    re.ASCII,
)
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
WORDS = {word: number for number, word in enumerate(ONES.split())}
WORDS.update({word: 10 * number for number, word in enumerate(TENS.split(), start=2)})
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberOptions:
    """How near is right, and what else must agree."""

    absolute: float = 0.0
    """Largest difference that is right, in the gold answer's unit."""
    relative: float = 0.0
    """Largest difference that is right, as a share of the gold value."""
    units: Units = "convert"
    """Two units must measure the same and are converted (`convert`), need not agree (`ignore`), or a unit of
    the gold answer must also be given (`require`)."""
    percent: Percent = "value"
    """Whether `50%` is 0.5, or 50 as if the sign were not there."""
    decimal_comma: bool = False
    """Read `3,14` as 3.14 where the comma does not set off thousands."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A value with its unit; the value is a Fraction where it is rational."""

    value: Any
    unit: Unit | None


def read_amount(text: str, options: NumberOptions) -> Amount:
    """Return the one number that `text` states. Raise FormulaError where it states none or several."""
    if len(text) > MAX_CHARS:
        raise FormulaError("too long")
    text = notation.plain(text)
    if options.decimal_comma:
        text = re.sub(r"(?<![\d,])(\d+),(\d{1,2}|\d{4,})(?![\d,])", r"\1.\2", text)
    words = _read_words(text)
    if words is not None:
        return Amount(words, None)
    try:
        return _measured(reading.read(text), options)
    except FormulaError:
        numbers = {match.group() for match in IN_TEXT.finditer(text)}
        if len(numbers) != 1:
            raise
        return _measured(reading.read(numbers.pop()), options)


def _measured(value: reading.Value, options: NumberOptions) -> Amount:
    if isinstance(value, reading.Relation) and set(value.operators) == {"="}:
        value = Quantity(value.sides[-1])
    if isinstance(value, reading.Ratio) and len(value.parts) == 2:
        value = Quantity(Apply("div", value.parts))
    if not isinstance(value, Quantity):
        raise FormulaError("no single number")
    return Amount(_computed(_without_percent(value.node, options)), value.unit)


def _without_percent(node: Node, options: NumberOptions) -> Node:
    if options.percent == "ignore" and isinstance(node, Apply):
        if node.function == "percent":
            return node.arguments[0]
        if node.function in ("neg", "pos"):
            return Apply(node.function, (_without_percent(node.arguments[0], options),))
    return node


def _computed(node: Node) -> Any:
    exact = identity.exact(node)
    if exact is not None:
        return exact
    if identity.variables(node):
        raise FormulaError("an expression with variables")
    value = identity.value_at(node, {})
    if identity.CONTEXT.im(value) != 0:
        raise FormulaError("a complex number")
    return identity.CONTEXT.re(value)


def _read_words(text: str) -> Fraction | None:
    """Return the number that English words name; None where they name none."""
    words = [word for word in re.split(r"[\s-]+", text.lower()) if word and word != "and"]
    if not words or len(words) > 12 or not all(word in WORDS or word in SCALES for word in words):
        return None
    total = part = 0
    for word in words:
        if word in WORDS:
            part += WORDS[word]
        elif word == "hundred":
            part = max(part, 1) * 100
        else:
            total += max(part, 1) * SCALES[word]
            part = 0
    return Fraction(total + part)


def judge(given: str, gold: str, options: NumberOptions) -> Verdict:
    """Compare two numbers within the tolerances."""
    try:
        wanted = read_amount(gold, options)
    except (FormulaError, identity.Unbounded, identity.Undefined) as error:
        raise UnreadableGold(f"the gold answer is no number: {error}") from None
    try:
        had = read_amount(given, options)
    except (FormulaError, identity.Unbounded, identity.Undefined) as error:
        return Verdict.of(False, f"no number: {error}")
    return _compare(had, wanted, options)


def _compare(had: Amount, wanted: Amount, options: NumberOptions) -> Verdict:
    value, target = had.value, wanted.value
    if options.units == "require" and wanted.unit and not had.unit:
        return Verdict.of(False, "the unit is missing")
    if options.units != "ignore" and had.unit and wanted.unit:
        if had.unit.dimensions != wanted.unit.dimensions:
            return Verdict.of(False, "the units measure different things")
        value = _converted(value, had.unit, wanted.unit)
    difference = abs(_minus(value, target))
    tolerances = _decimal(options.absolute), _times(abs(target), _decimal(options.relative))
    if any(tolerances):
        right, how = (
            any(_minus(allowed, difference) >= 0 for allowed in tolerances),
            "numbers within tolerance",
        )
    else:
        right, how = _equal(value, target), "numbers"
    return Verdict.of(bool(right), how, given=_shown(value), gold=_shown(target))


def _converted(value: Any, unit: Unit, into: Unit) -> Any:
    value = _times(value, unit.size / into.size)
    if unit.is_degree != into.is_degree:
        pi = identity.CONTEXT.pi
        value = _real(value) * pi if unit.is_degree else _real(value) / pi
    return value


def _real(value: Any) -> Any:
    """Return a value as a real number of 60 digits."""
    if isinstance(value, Fraction):
        return identity.CONTEXT.mpf(value.numerator) / value.denominator
    return value


def _minus(left: Any, right: Any) -> Any:
    both = isinstance(left, Fraction) and isinstance(right, Fraction)
    return left - right if both else _real(left) - _real(right)


def _times(value: Any, factor: Fraction) -> Any:
    return value * factor if isinstance(value, Fraction) else value * _real(factor)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left == right
    return identity.agree(_real(left), _real(right))


def _decimal(number: float) -> Fraction:
    """Return the decimal number that was written in the recipe, exactly."""
    return Fraction(repr(float(number)))


def _shown(value: Any) -> str:
    try:
        return f"{float(value):.12g}"
    except OverflowError:
        return "a very large number"


def settle(given: str, gold: str, options: NumberOptions) -> Verdict | None:
    """Return the verdict on plain numbers, simple fractions and percentages without units."""
    had, wanted = _simple(given, options), _simple(gold, options)
    if had is None or wanted is None:
        return None
    return _compare(Amount(had, None), Amount(wanted, None), options)


def _simple(text: str, options: NumberOptions) -> Fraction | None:
    match = SIMPLE.fullmatch(text.strip())
    if match is None or (options.decimal_comma and "," in text):
        return None
    sign, whole, decimals, above, below, percent = match.groups()
    if whole is None:
        if int(below) == 0:
            return None
        value = Fraction(int(above), int(below))
    else:
        value = Fraction(whole.replace(",", "") + (decimals or ""))
    if percent and options.percent == "value":
        value /= 100
    return -value if sign else value


KIND = Kind("one number, within tolerances, with units and percent signs", NumberOptions, judge, settle)
