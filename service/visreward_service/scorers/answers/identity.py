"""Whether two expressions are the same: exactly for rational numbers, else by evaluation at many points.

Values are computed to 60 digits at fixed points of both signs; two expressions are the same where they agree
to 40 digits at every point at which both are real (or neither is). No simplification is tried, so nothing can
run away: each operation is bounded, and what is too large to compute raises `Unbounded`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import mpmath

from visreward_service.scorers.answers.formula import Apply, Node, Number, Symbol

DIGITS = 60
AGREEMENT = mpmath.mpf(10) ** -40
MAX_EXACT_BITS = 50_000
MAX_MAGNITUDE_BITS = 20_000
MAX_FACTORIAL = 3_000
NUM_POINTS = 12
MIN_POINTS = 3


class Unbounded(ValueError):
    """A value is too large to be computed."""


class Undefined(ValueError):
    """An expression has no value at a point."""


def variables(node: Node) -> frozenset[str]:
    """Return the names in an expression that are no constants."""
    if isinstance(node, Symbol):
        return frozenset() if node.name in CONSTANTS else frozenset({node.name})
    if isinstance(node, Apply):
        return frozenset().union(*(variables(argument) for argument in node.arguments))
    return frozenset()


def exact(node: Node) -> Fraction | None:
    """Return the value of an expression of rational numbers; None where it is not known to be rational."""
    if isinstance(node, Number):
        return node.value
    if not isinstance(node, Apply) or node.function not in EXACT:
        return None
    arguments = []
    for argument in node.arguments:
        value = exact(argument)
        if value is None:
            return None
        arguments.append(value)
    return EXACT[node.function](*arguments)


def _divide(above: Fraction, below: Fraction) -> Fraction | None:
    return above / below if below else None


def _bits(value: Fraction) -> int:
    return value.numerator.bit_length() + value.denominator.bit_length()


def _bounded(value: Fraction) -> Fraction | None:
    return value if _bits(value) <= MAX_EXACT_BITS else None


def _raise_exactly(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator != 1 or (base == 0 and exponent <= 0):
        return None
    if abs(exponent) * _bits(base) > MAX_EXACT_BITS:
        return None
    return base ** int(exponent)


def _factorial_exactly(value: Fraction) -> Fraction | None:
    if value.denominator != 1 or not 0 <= value <= MAX_FACTORIAL:
        return None
    return Fraction(int(mpmath.fac(int(value))) if value < 20 else _factorial(int(value)))


def _factorial(number: int) -> int:
    product = 1
    for factor in range(2, number + 1):
        product *= factor
    return product


EXACT: Mapping[str, Callable[..., Fraction | None]] = {
    "pos": lambda value: value,
    "neg": lambda value: -value,
    "add": lambda left, right: _bounded(left + right),
    "mul": lambda left, right: _bounded(left * right),
    "div": _divide,
    "pow": _raise_exactly,
    "percent": lambda value: value / 100,
    "abs": abs,
    "factorial": _factorial_exactly,
}
