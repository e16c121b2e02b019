"""Whether two expressions are the same: exactly for rational numbers, else by evaluation at many points.

Values are computed to 60 digits at fixed points of both signs; two expressions are the same where they agree
to 40 digits at every point at which both are real (or neither is). No simplification is tried, so nothing can
run away: each operation is bounded, and what is too large to compute raises `Unbounded`.
"""

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from mpmath.ctx_mp import MPContext  # type: ignore[import-untyped]

from visreward_service.scorers.answers.formula import Apply, Node, Number, Symbol

CONTEXT = MPContext()
"""A context of our own: precision is global state in mpmath's default one."""
CONTEXT.dps = 60
AGREEMENT = CONTEXT.mpf(10) ** -40
NEGLIGIBLE = CONTEXT.mpf(10) ** -10
"""Below this size numbers are compared by their difference, not by their ratio."""
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


def _folded(
    operation: Callable[[Fraction, Fraction], Fraction], values: Iterable[Fraction]
) -> Fraction | None:
    total: Fraction | None = None
    for value in values:
        total = value if total is None else operation(total, value)
        if _bits(total) > MAX_EXACT_BITS:
            return None
    return total


def _raise_exactly(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator != 1 or (base == 0 and exponent <= 0):
        return None
    if abs(exponent) * _bits(base) > MAX_EXACT_BITS:
        return None
    return base ** int(exponent)


def _factorial_exactly(value: Fraction) -> Fraction | None:
    if value.denominator != 1 or not 0 <= value <= MAX_FACTORIAL:
        return None
    return Fraction(math.factorial(int(value)))


EXACT: Mapping[str, Callable[..., Fraction | None]] = {
    "pos": lambda value: value,
    "neg": lambda value: -value,
    "add": lambda *terms: _folded(operator.add, terms),
    "mul": lambda *factors: _folded(operator.mul, factors),
    "div": _divide,
    "pow": _raise_exactly,
    "percent": lambda value: value / 100,
    "abs": abs,
    "factorial": _factorial_exactly,
}


def value_at(node: Node, point: Mapping[str, Any]) -> Any:
    """Return the value, real or complex, at a point. Raises Undefined and Unbounded."""
    if isinstance(node, Number):
        return CONTEXT.mpf(node.value.numerator) / node.value.denominator
    if isinstance(node, Symbol):
        if node.name in point:
            return point[node.name]
        return _constant(node.name)
    arguments = [value_at(argument, point) for argument in node.arguments]
    function = NUMERIC.get(node.function)
    if function is None:
        raise Undefined(node.function)
    try:
        value = function(*arguments)
    except (ArithmeticError, ValueError, TypeError) as error:
        if isinstance(error, Unbounded):
            raise
        raise Undefined(node.function) from None
    if abs(_magnitude(value)) > MAX_MAGNITUDE_BITS:
        raise Unbounded(node.function)
    return value


def _constant(name: str) -> Any:
    constant = CONSTANTS[name]
    if constant is None:
        raise Undefined(name)
    return constant


CONSTANTS: Mapping[str, Any] = {
    "\\pi": +CONTEXT.pi,
    "e": +CONTEXT.e,
    "i": CONTEXT.mpc(0, 1),
    "\\infty": None,
}


def _magnitude(value: Any) -> int:
    """Return the binary exponent of a value, 0 for 0. Raises Unbounded for infinities."""
    if value == 0:
        return 0
    magnitude = CONTEXT.mag(value)
    if not CONTEXT.isfinite(magnitude):
        raise Unbounded("not finite")
    return int(magnitude)


def _small(value: Any, bits: int) -> Any:
    if _magnitude(value) > bits:
        raise Unbounded("too large for the function")
    return value


def _raise(base: Any, exponent: Any) -> Any:
    if base == 0:
        if CONTEXT.im(exponent) == 0 and CONTEXT.re(exponent) > 0:
            return CONTEXT.mpf(0)
        raise Undefined("a power of 0")
    # |log2 of the result| is about |exponent| * |log2 of the base|; 1 + … keeps bases near 1 bounded.
    if _magnitude(exponent) > 40 or abs(exponent) * (1 + abs(_magnitude(base))) > MAX_MAGNITUDE_BITS:
        raise Unbounded("power")
    return CONTEXT.power(base, exponent)


def _root(degree: Any, operand: Any) -> Any:
    if degree == 0:
        raise Undefined("a zeroth root")
    if CONTEXT.im(operand) == 0 and CONTEXT.re(operand) < 0 and CONTEXT.isint(degree) and int(degree) % 2:
        return -_raise(-operand, 1 / degree)
    return _raise(operand, 1 / degree)


def _log(base: Any, operand: Any) -> Any:
    if operand == 0 or base == 0:
        raise Undefined("a logarithm of 0")
    return CONTEXT.log(operand) / CONTEXT.log(base)


def _bounded(name: str, bits: int) -> Callable[[Any], Any]:
    function = getattr(CONTEXT, name)
    return lambda value: function(_small(value, bits))


NUMERIC: Mapping[str, Callable[..., Any]] = {
    "pos": lambda value: value,
    "neg": lambda value: -value,
    "add": lambda *terms: CONTEXT.fsum(terms),
    "mul": lambda *factors: CONTEXT.fprod(factors),
    "div": lambda above, below: above / below,
    "pow": _raise,
    "root": _root,
    "percent": lambda value: value / 100,
    "degree": lambda value: value * CONTEXT.pi / 180,
    "abs": abs,
    "exp": lambda value: CONTEXT.exp(_small(value, 13)),
    "ln": lambda value: _log(CONTEXT.e, value),
    "log": _log,
    "factorial": lambda value: CONTEXT.factorial(_small(value, 11)),
    "binomial": lambda above, below: CONTEXT.binomial(_small(above, 11), _small(below, 11)),
    "arcsin": CONTEXT.asin,
    "arccos": CONTEXT.acos,
    "arctan": CONTEXT.atan,
    "arccot": CONTEXT.acot,
    **{name: _bounded(name, 100) for name in ("sin", "cos", "tan", "cot", "sec", "csc")},
    **{name: _bounded(name, 13) for name in ("sinh", "cosh", "tanh")},
}


def agree(left: Any, right: Any) -> bool:
    """Return whether two values are the same to 40 digits."""
    return bool(abs(left - right) <= AGREEMENT * max(abs(left), abs(right), NEGLIGIBLE))


def _is_real(value: Any) -> bool:
    return bool(abs(CONTEXT.im(value)) <= AGREEMENT * max(abs(value), 1))


def points(names: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Yield fixed points: positive coordinates first, then of both signs, none of them special."""
    for number in range(NUM_POINTS):
        point = {}
        for place, name in enumerate(sorted(names), start=1):
            # Multiplication by an odd constant modulo 2**32 scatters small numbers.
            scattered = (number * 7919 + place * 104_729) * 2_654_435_761 % 2**32
            size = CONTEXT.mpf(scattered) / 2**31 + CONTEXT.mpf(1) / 7
            point[name] = -size if number >= NUM_POINTS // 2 and scattered >> 3 & 1 else size
        yield point


def _values(left: Node, right: Node) -> Iterator[tuple[Any, Any]]:
    """Yield both values at each point at which they can be compared."""
    for point in points(variables(left) | variables(right)):
        try:
            pair = value_at(left, point), value_at(right, point)
        except Undefined:
            continue
        if _is_real(pair[0]) == _is_real(pair[1]):
            yield pair


def same(left: Node, right: Node) -> bool:
    """Return whether two expressions are equal wherever both are defined. Raises Unbounded."""
    if left == right:
        return True
    exact_left, exact_right = exact(left), exact(right)
    if exact_left is not None and exact_right is not None:
        return exact_left == exact_right
    num_points = 0
    for one, other in _values(left, right):
        if not agree(one, other):
            return False
        num_points += 1
    return num_points >= MIN_POINTS


def ratio(left: Node, right: Node) -> Any:
    """Return the constant factor, not 0, by which two expressions differ, or None. Raises Unbounded."""
    factor = None
    num_points = 0
    for one, other in _values(left, right):
        if (one == 0) != (other == 0):
            return None
        if one == 0:
            continue
        if factor is None:
            factor = one / other
        elif not agree(one / other, factor):
            return None
        num_points += 1
    return factor if num_points >= MIN_POINTS else None


def branches(node: Node) -> tuple[Node, ...]:
    r"""Return the expressions that `\pm` and `\mp` stand for: two where there are any, else the one."""
    if not _has_branches(node):
        return (node,)
    return _choose(node, "pos", "neg"), _choose(node, "neg", "pos")


def _has_branches(node: Node) -> bool:
    if not isinstance(node, Apply):
        return False
    return node.function in ("pm", "mp") or any(_has_branches(argument) for argument in node.arguments)


def _choose(node: Node, upper: str, lower: str) -> Node:
    if not isinstance(node, Apply):
        return node
    function = {"pm": upper, "mp": lower}.get(node.function, node.function)
    return Apply(function, tuple(_choose(argument, upper, lower) for argument in node.arguments))
