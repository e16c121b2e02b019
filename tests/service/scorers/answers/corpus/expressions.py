"""Expressions, equations, inequalities."""

import random

from tests.service.scorers.answers.corpus.draws import frac, integer, signed
from tests.service.scorers.answers.corpus.variant import right, wrong


@right("polynomial: factored", "an identity")
def _(rng: random.Random) -> tuple[str, str]:
    first, second = integer(rng, 1, 9), integer(rng, 1, 9)
    return (
        f"(x {signed(first)})(x {signed(second)})",
        f"x^2 {signed(first + second)}x {signed(first * second)}",
    )


@wrong("polynomial: another coefficient", "no identity")
def _(rng: random.Random) -> tuple[str, str]:
    first, second = integer(rng, 1, 9), integer(rng, 1, 9)
    return f"x^2 {signed(first)}x {signed(second + 1)}", f"x^2 {signed(first)}x {signed(second)}"


@right("expression: terms in another order", "an identity")
def _(rng: random.Random) -> tuple[str, str]:
    a, b = rng.randint(2, 9), rng.randint(2, 9)
    return rng.choice(
        (
            (f"{b}b + {a}a", f"{a}a+{b}b"),
            (f"{a}y x^2", f"{a}x^2y"),
            (f"y^{a}/x^{b}", frac(f"y^{a}", f"x^{b}")),
        )
    )


@right("expression: trigonometric identity", "an identity")
def _(rng: random.Random) -> tuple[str, str]:
    factor = rng.randint(2, 9)
    return rng.choice(
        (
            (f"{factor}\\sin(2x)", f"{2 * factor}\\sin x\\cos x"),
            (f"{factor} - {factor}\\sin^2 x", f"{factor}\\cos^2 x"),
            (f"{factor}\\tan x", frac(f"{factor}\\sin x", "\\cos x")),
        )
    )


@right("expression: logarithm computed", "the same number")
def _(rng: random.Random) -> tuple[str, str]:
    base, exponent = rng.randint(2, 9), rng.randint(2, 5)
    return f"{exponent}", f"\\log_{{{base}}}{{{base**exponent}}}"


@wrong("expression: root of a square", "the root of x² is |x|, which is not x for negative x")
def _(rng: random.Random) -> tuple[str, str]:
    name = rng.choice("xyzab")
    return f"{name}", f"\\sqrt{{{name}^2}}"


@right("equation: label left out", "`x = 5` and `5` answer alike")
def _(rng: random.Random) -> tuple[str, str]:
    number, name = integer(rng, 2, 99), rng.choice("xyzn")
    return rng.choice(((f"{number}", f"{name} = {number}"), (f"{name}={number}", f"{number}")))


@wrong("equation: another label", "the value of another unknown")
def _(rng: random.Random) -> tuple[str, str]:
    number = integer(rng, 2, 99)
    first, second = rng.sample("xyzn", 2)
    return f"{first}={number}", f"{second}={number}"


@right("equation: rearranged", "one side is a multiple of the other")
def _(rng: random.Random) -> tuple[str, str]:
    slope, constant = rng.randint(2, 9), integer(rng, 1, 9)
    return rng.choice(
        (f"y - {slope}x = {constant}", f"2y = {2 * slope}x {signed(2 * constant)}")
    ), f"y = {slope}x {signed(constant)}"


@wrong("equation: another line", "another line")
def _(rng: random.Random) -> tuple[str, str]:
    slope, constant = rng.randint(2, 9), integer(rng, 1, 9)
    return f"y = {slope + 1}x {signed(constant)}", f"y = {slope}x {signed(constant)}"


@right("inequality: turned round", "`2 < x` is `x > 2`")
def _(rng: random.Random) -> tuple[str, str]:
    number = integer(rng, 1, 30)
    sign, other = rng.choice((("<", ">"), ("\\le", "\\ge"), ("\\geq", "\\leq")))
    return f"{number} {sign} x", f"x {other} {number}"


@wrong("inequality: strict or not", "the end point belongs to one and not to the other")
def _(rng: random.Random) -> tuple[str, str]:
    number = integer(rng, 1, 30)
    first, second = rng.choice((("<", "\\le"), (">", "\\ge")))
    return rng.choice(
        ((f"x {first} {number}", f"x {second} {number}"), (f"x {second} {number}", f"x {first} {number}"))
    )


@right("inequality: as an interval", "the set of its solutions")
def _(rng: random.Random) -> tuple[str, str]:
    low = integer(rng, 1, 20)
    high = low + rng.randint(1, 20)
    return rng.choice(
        (
            (f"{low} < x \\le {high}", f"({low}, {high}]"),
            (f"x \\ge {low}", f"[{low}, \\infty)"),
            (f"x < {high}", f"(-\\infty, {high})"),
        )
    )
