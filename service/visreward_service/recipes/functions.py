"""The functions of recipe expressions: a literal table of closures over their arguments.

Each argument is itself a closure from values by name to a float, so that `where` evaluates one branch only
and the means leave out what has no value.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Values = Mapping[str, float | None]
Evaluate = Callable[[Values], float]


class Absent(Exception):
    """A name has no value for this item: its term does not apply."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language."""

    build: Callable[[Sequence[Evaluate]], Evaluate]
    min_arguments: int
    max_arguments: int | None
    """None for any number."""
    step: int = 1
    """Arguments come in multiples of this."""

    def fault(self, count: int) -> str | None:
        """Return what is wrong with a call of `count` arguments, or None."""
        if self.step > 1 and (count == 0 or count % self.step):
            return f"takes arguments in groups of {self.step}, has {count}"
        if self.min_arguments <= count and (self.max_arguments is None or count <= self.max_arguments):
            return None
        least = "at least " if self.max_arguments is None else ""
        plural = "" if self.min_arguments == 1 else "s"
        return f"takes {least}{self.min_arguments} argument{plural}, has {count}"


def _apply(function: Callable[..., float]) -> Callable[[Sequence[Evaluate]], Evaluate]:
    """Return a builder for a function of plain numbers."""

    def build(arguments: Sequence[Evaluate]) -> Evaluate:
        if len(arguments) == 1:
            (only,) = arguments
            return lambda values: function(only(values))
        if len(arguments) == 2:
            first, second = arguments
            return lambda values: function(first(values), second(values))
        return lambda values: function(*[argument(values) for argument in arguments])

    return build


def _least(first: float, *others: float) -> float:
    return min(first, *others) if others else first


def _greatest(first: float, *others: float) -> float:
    return max(first, *others) if others else first


def _clip(number: float, low: float, high: float) -> float:
    return min(max(number, low), high)


def _product(*factors: float) -> float:
    product = factors[0]
    for factor in factors[1:]:
        product *= factor
    return product


def _where(arguments: Sequence[Evaluate]) -> Evaluate:
    condition, chosen, otherwise = arguments
    return lambda values: chosen(values) if condition(values) else otherwise(values)


def _mean(arguments: Sequence[Evaluate]) -> Evaluate:
    def mean(values: Values) -> float:
        total, count, absent = 0.0, 0, ""
        for argument in arguments:
            try:
                total += argument(values)
                count += 1
            except Absent as missing:
                absent = missing.name
        if not count:
            raise Absent(absent)
        return total / count

    return mean


def _weighted_mean(arguments: Sequence[Evaluate]) -> Evaluate:
    pairs = list(zip(arguments[::2], arguments[1::2], strict=True))

    def weighted_mean(values: Values) -> float:
        total, weights, absent, found = 0.0, 0.0, "", False
        for value_of, weight_of in pairs:
            try:
                value, weight = value_of(values), weight_of(values)
            except Absent as missing:
                absent = missing.name
                continue
            total += value * weight
            weights += weight
            found = True
        if not found:
            raise Absent(absent)
        return total / weights

    return weighted_mean


FUNCTIONS: dict[str, Function] = {
    "abs": Function(_apply(abs), 1, 1),
    "clip": Function(_apply(_clip), 3, 3),
    "exp": Function(_apply(math.exp), 1, 1),
    "log": Function(_apply(math.log), 1, 1),
    "max": Function(_apply(_greatest), 1, None),
    "mean": Function(_mean, 1, None),
    "min": Function(_apply(_least), 1, None),
    "product": Function(_apply(_product), 1, None),
    "sqrt": Function(_apply(math.sqrt), 1, 1),
    "weighted_mean": Function(_weighted_mean, 2, None, step=2),
    "where": Function(_where, 3, 3),
}
