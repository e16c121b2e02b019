"""Recipe expressions: parsed once into closures, evaluated for every item.

Numbers are binary64 and are combined left to right as written. A result that is not a finite number is a
`Fault`, as is a name without a value outside the means and the untaken branch of `where`. Where names get
their values is not known here.
"""

import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import isfinite

from visreward.protocol import Code
from visreward_service.recipes.errors import ExpressionError, find_nearest
from visreward_service.recipes.functions import FUNCTIONS, Absent, Evaluate, Values
from visreward_service.recipes.grammar import Call, Comparison, Name, Node, Number, Operation, parse
from visreward_service.scorers.base import Fault

ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression."""

    text: str
    names: Mapping[str, int]
    """The names it reads, each with the column of its first use."""
    _run: Evaluate

    def check(self, known: Collection[str]) -> None:
        """Raise `ExpressionError` for the first name that is not known."""
        for name, column in self.names.items():
            if name not in known:
                raise ExpressionError(f'unknown name "{name}"', column, find_nearest(name, known))

    def evaluate(self, values: Values) -> float:
        """Return a finite float. Raise `Fault` with `not_finite` or `not_applicable`."""
        try:
            result = self._run(values)
        except Absent as missing:
            message = f'"{missing.name}" has no value for this item'
            raise Fault(Code.NOT_APPLICABLE, message) from None
        except ZeroDivisionError:
            raise Fault(Code.NOT_FINITE, f"division by zero in {self.text}") from None
        except (OverflowError, ValueError):
            raise Fault(Code.NOT_FINITE, f"not a finite number: {self.text}") from None
        if not isfinite(result):
            raise Fault(Code.NOT_FINITE, f"not a finite number: {self.text}")
        return result


def parse_expression(text: str) -> Expression:
    """Return the expression in `text`. Raise `ExpressionError` with the column of the fault."""
    names: dict[str, int] = {}
    run = _build(parse(text), names)
    return Expression(text.strip(), names, run)


def _build(node: Node, names: dict[str, int]) -> Evaluate:
    match node:
        case Number(value):
            return lambda _: value
        case Name(name, column):
            names.setdefault(name, column)
            return _read(name)
        case Operation(symbol, operands):
            return _operate(symbol, [_build(operand, names) for operand in operands])
        case Comparison(operators, operands):
            tests = [COMPARE[one] for one in operators]
            return _compare(tests, [_build(operand, names) for operand in operands])
        case Call(function, arguments, column):
            return _call(function, column, [_build(argument, names) for argument in arguments])


def _read(name: str) -> Evaluate:
    def read(values: Values) -> float:
        value = values[name]
        if value is None:
            raise Absent(name)
        return value

    return read


def _operate(symbol: str, operands: list[Evaluate]) -> Evaluate:
    first = operands[0]
    if symbol == "not":
        return lambda values: 0.0 if first(values) else 1.0
    if len(operands) == 1:
        return lambda values: -first(values)
    second = operands[1]
    if symbol == "and":
        return lambda values: 1.0 if first(values) and second(values) else 0.0
    if symbol == "or":
        return lambda values: 1.0 if first(values) or second(values) else 0.0
    return _compute(ARITHMETIC[symbol], first, second)


def _compute(function: Callable[[float, float], float], first: Evaluate, second: Evaluate) -> Evaluate:
    def compute(values: Values) -> float:
        result = function(first(values), second(values))
        if not isfinite(result):  # here and not only at the end: min(1e308 * 10, 1) would hide it
            raise OverflowError
        return result

    return compute


def _compare(tests: list[Callable[[float, float], bool]], operands: list[Evaluate]) -> Evaluate:
    first, rest = operands[0], list(zip(tests, operands[1:], strict=True))

    def compare(values: Values) -> float:
        left = first(values)
        for test, operand in rest:
            right = operand(values)
            if not test(left, right):
                return 0.0
            left = right
        return 1.0

    return compare


def _call(name: str, column: int, arguments: list[Evaluate]) -> Evaluate:
    function = FUNCTIONS.get(name)
    if function is None:
        raise ExpressionError(f'unknown function "{name}"', column, find_nearest(name, FUNCTIONS))
    fault = function.fault(len(arguments))
    if fault is not None:
        raise ExpressionError(f"{name} {fault}", column)
    build = function.build(arguments)

    def call(values: Values) -> float:
        result = build(values)
        if not isfinite(result):
            raise OverflowError
        return result

    return call
