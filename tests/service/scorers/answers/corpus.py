"""Pairs of answers whose truth is known by construction, and how the graders fare on them.

Every variant makes pairs that are all right or all wrong, and says why. Run it to print the table of
`docs/answers.md`:

    python -m tests.service.scorers.answers.corpus
"""

import asyncio
import random
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

Make = Callable[[random.Random], tuple[str, str]]
"""Returns (given, gold)."""

PAIRS_PER_VARIANT = 48
TIME_LIMIT_SECONDS = 10.0
SEED = 20_260_101
WORDS = ("circle", "square", "triangle", "banana", "camera", "window", "garden", "planet", "silver", "yellow")
UNITS = (("cm", "mm", 10), ("m", "cm", 100), ("km", "m", 1000), ("kg", "g", 1000), ("hours", "minutes", 60))


@dataclass(frozen=True)
class Variant:
    """A way in which a given answer relates to the gold one."""

    name: str
    right: bool
    why: str
    make: Make


@dataclass(frozen=True)
class Pair:
    """A given answer, a gold one, and whether the given one is right."""

    variant: Variant
    given: str
    gold: str


VARIANTS: list[Variant] = []


def right(name: str, why: str) -> Callable[[Make], Make]:
    """Register a variant whose pairs are right."""
    return _register(name, True, why)


def wrong(name: str, why: str) -> Callable[[Make], Make]:
    """Register a variant whose pairs are wrong."""
    return _register(name, False, why)


def _register(name: str, is_right: bool, why: str) -> Callable[[Make], Make]:
    def register(make: Make) -> Make:
        VARIANTS.append(Variant(name, is_right, why, make))
        return make

    return register


def pairs(seed: int = SEED, per_variant: int = PAIRS_PER_VARIANT) -> Iterator[Pair]:
    """Yield the corpus: the same for the same seed."""
    for variant in VARIANTS:
        rng = random.Random(f"{seed} {variant.name}")
        for _ in range(per_variant):
            yield Pair(variant, *variant.make(rng))


def integer(rng: random.Random, low: int = 2, high: int = 9999) -> int:
    return rng.randint(low, high) * rng.choice((1, -1))


def reduced(rng: random.Random, high: int = 40) -> tuple[int, int]:
    while True:
        above, below = rng.randint(1, high), rng.randint(2, high)
        if gcd(above, below) == 1:
            return above, below


def frac(above: object, below: object) -> str:
    return f"\\frac{{{above}}}{{{below}}}"


def square_free(rng: random.Random) -> int:
    return rng.choice((2, 3, 5, 6, 7, 10, 11, 13, 14, 15))


def signed(number: int) -> str:
    return f"+ {number}" if number >= 0 else f"- {-number}"


# Integers and decimals.


@right("integer: the same", "the same number")
def _(rng: random.Random) -> tuple[str, str]:
    number = integer(rng)
    return rng.choice((f"{number}", f" {number}.", f"${number}$", f"{number:+d}")), f"{number}"


@wrong("integer: another", "another number")
def _(rng: random.Random) -> tuple[str, str]:
    number = integer(rng)
    return f"{rng.choice((number + 1, -number, number * 10, number - 2))}", f"{number}"


@right("integer: thousands separators", "a comma or thin space between groups of three digits")
def _(rng: random.Random) -> tuple[str, str]:
    number = rng.randint(1000, 99_999_999)
    written = rng.choice(
        (f"{number:,}", f"{number:,}".replace(",", "\\,"), f"{number:,}".replace(",", "{,}"))
    )
    return rng.choice(((written, f"{number}"), (f"{number}", f"{number:,}")))


@right("decimal: trailing zeros", "zeros at the end change nothing")
def _(rng: random.Random) -> tuple[str, str]:
    number = f"{integer(rng, 1, 99)}.{rng.randint(1, 99):02d}".rstrip("0")
    return number + "0" * rng.randint(1, 3), number


@right("decimal: no leading zero", "`.5` is `0.5`")
def _(rng: random.Random) -> tuple[str, str]:
    digits = rng.randint(1, 999)
    return f".{digits:03d}", f"0.{digits:03d}"


@wrong("decimal: rounded", "a rounded value is another number; a tolerance is for the kind `number`")
def _(rng: random.Random) -> tuple[str, str]:
    above, below = rng.choice(((1, 3), (2, 3), (1, 7), (5, 6), (4, 9), (2, 11)))
    return f"{above / below:.{rng.randint(2, 4)}f}", frac(above, below)


@wrong("decimal: differs in the 8th place", "another number, however near")
def _(rng: random.Random) -> tuple[str, str]:
    whole, last = rng.randint(1, 99), rng.randint(1, 8)
    return f"{whole}.2500000{last + 1}", f"{whole}.2500000{last}"


@right("decimal: scientific notation", "the same number")
def _(rng: random.Random) -> tuple[str, str]:
    digits, power = rng.randint(11, 99), rng.randint(2, 6)
    gold = f"{digits * 10 ** (power - 1)}"
    mantissa = f"{digits // 10}.{digits % 10}"
    return rng.choice((f"{mantissa} \\times 10^{{{power}}}", f"{mantissa}e{power}")), gold


# Fractions.


@right("fraction: other spelling", "one fraction, written with a slash, `\\dfrac` or `\\frac`")
def _(rng: random.Random) -> tuple[str, str]:
    above, below = reduced(rng)
    return rng.choice(
        (f"{above}/{below}", f"\\dfrac{{{above}}}{{{below}}}", f"\\tfrac{{{above}}}{{{below}}}")
    ), frac(above, below)


@right("fraction: not reduced", "equal in value; no class asks for lowest terms")
def _(rng: random.Random) -> tuple[str, str]:
    above, below = reduced(rng, 20)
    factor = rng.randint(2, 9)
    return frac(above * factor, below * factor), frac(above, below)


@right("fraction: as a decimal", "a fraction with a finite decimal expansion")
def _(rng: random.Random) -> tuple[str, str]:
    below = rng.choice((4, 5, 8, 20, 25))
    above = rng.choice([number for number in range(1, 60) if gcd(number, below) == 1])
    return f"{above / below}", frac(above, below)


@right("fraction: minus sign elsewhere", "the sign may stand before, above or below")
def _(rng: random.Random) -> tuple[str, str]:
    above, below = reduced(rng)
    return rng.choice(
        (frac(-above, below), frac(above, -below), f"-{above}/{below}")
    ), f"-{frac(above, below)}"


@wrong("fraction: turned over", "another number")
def _(rng: random.Random) -> tuple[str, str]:
    above, below = reduced(rng)
    return frac(below, above), frac(above, below)


@right("mixed number", "a whole number and a proper fraction")
def _(rng: random.Random) -> tuple[str, str]:
    above, below = reduced(rng, 12)
    above %= below
    above = above or 1
    whole = rng.randint(1, 9)
    given = rng.choice((f"{whole} {above}/{below}", f"{whole}{frac(above, below)}"))
    return given, frac(whole * below + above, below)


# Surds, powers, constants.


@right("surd: simplified", "the same number")
def _(rng: random.Random) -> tuple[str, str]:
    factor, root = rng.randint(2, 9), square_free(rng)
    return f"\\sqrt{{{factor * factor * root}}}", f"{factor}\\sqrt{{{root}}}"


@right("surd: rationalised", "the same number")
def _(rng: random.Random) -> tuple[str, str]:
    root, above = square_free(rng), rng.randint(1, 9)
    return frac(above, f"\\sqrt{{{root}}}"), frac(f"{above}\\sqrt{{{root}}}", root)


@right("surd: without braces or as a word", "`\\sqrt3`, `sqrt(3)` and `√3` are one number")
def _(rng: random.Random) -> tuple[str, str]:
    root, factor = rng.choice((2, 3, 5, 6, 7)), rng.randint(2, 9)
    written = rng.choice((f"\\sqrt{root}", f"*sqrt({root})", f"√{root}"))
    return f"{factor}{written}", f"{factor}\\sqrt{{{root}}}"


@wrong("surd: another", "another number")
def _(rng: random.Random) -> tuple[str, str]:
    factor, root = rng.randint(2, 9), square_free(rng)
    return rng.choice(
        (f"{factor + 1}\\sqrt{{{root}}}", f"{factor}\\sqrt{{{root + 1}}}")
    ), f"{factor}\\sqrt{{{root}}}"


@wrong("surd: as a decimal", "a decimal of a few places is not the irrational number")
def _(rng: random.Random) -> tuple[str, str]:
    root = square_free(rng)
    return f"{root**0.5:.{rng.randint(2, 5)}f}", f"\\sqrt{{{root}}}"


@right("power: computed", "the same number")
def _(rng: random.Random) -> tuple[str, str]:
    base, exponent = rng.randint(2, 9), rng.randint(2, 9)
    return f"{base**exponent}", f"{base}^{{{exponent}}}"


@right("pi: other spelling", "`π`, `pi` and `\\pi` are one number")
def _(rng: random.Random) -> tuple[str, str]:
    factor = rng.randint(2, 40)
    return rng.choice(
        (f"{factor}π", f"{factor}pi", f"{factor} \\pi", f"\\pi \\cdot {factor}")
    ), f"{factor}\\pi"


@wrong("pi: as a decimal", "3.14 is not pi; a tolerance is for the kind `number`")
def _(rng: random.Random) -> tuple[str, str]:
    factor = rng.randint(2, 40)
    return f"{factor * 3.14:.2f}", f"{factor}\\pi"


@right("complex: terms in another order", "the same number")
def _(rng: random.Random) -> tuple[str, str]:
    real, imaginary = rng.randint(1, 20), rng.randint(2, 20)
    return f"{imaginary}i + {real}", f"{real}+{imaginary}i"


@wrong("complex: conjugate", "another number")
def _(rng: random.Random) -> tuple[str, str]:
    real, imaginary = rng.randint(1, 20), rng.randint(2, 20)
    return f"{real}-{imaginary}i", f"{real}+{imaginary}i"


@right("sign for both values", "`a \\pm b` stands for two values")
def _(rng: random.Random) -> tuple[str, str]:
    centre, root = rng.randint(1, 9), square_free(rng)
    given = rng.choice(
        (f"{centre}+\\sqrt{{{root}}}, {centre}-\\sqrt{{{root}}}", f"{centre}\\pm\\sqrt{{{root}}}")
    )
    return given, f"{centre} \\pm \\sqrt{{{root}}}"


@wrong("only one of both values", "one value of two is missing")
def _(rng: random.Random) -> tuple[str, str]:
    centre, root = rng.randint(1, 9), square_free(rng)
    return f"{centre}+\\sqrt{{{root}}}", f"{centre} \\pm \\sqrt{{{root}}}"


# Expressions, equations, inequalities.


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


# Collections.


@right("interval: other spelling", "spacing, `\\left` and unreduced ends change nothing")
def _(rng: random.Random) -> tuple[str, str]:
    low, high = rng.randint(-20, 0), rng.randint(1, 20)
    opening, closing = rng.choice("(["), rng.choice(")]")
    given = rng.choice(
        (f"\\left{opening}{low},{high}\\right{closing}", f"{opening} {low} , {frac(2 * high, 2)} {closing}")
    )
    return given, f"{opening}{low}, {high}{closing}"


@wrong("interval: open or closed", "an end point belongs to one and not to the other")
def _(rng: random.Random) -> tuple[str, str]:
    low, high = rng.randint(-20, 0), rng.randint(1, 20)
    first, second = rng.sample(
        (f"({low}, {high})", f"[{low}, {high}]", f"({low}, {high}]", f"[{low}, {high})"), 2
    )
    return first, second


@right("union: in another order", "a union has no order")
def _(rng: random.Random) -> tuple[str, str]:
    low, high = rng.randint(-20, 0), rng.randint(1, 20)
    return f"({high}, \\infty) \\cup (-\\infty, {low})", f"(-\\infty, {low}) \\cup ({high}, \\infty)"


@right("set: in another order", "a set has no order")
def _(rng: random.Random) -> tuple[str, str]:
    items = rng.sample(range(-30, 30), rng.randint(2, 4))
    given = rng.sample(items, len(items))
    return f"\\{{{', '.join(map(str, given))}\\}}", f"\\{{{','.join(map(str, items))}\\}}"


@wrong("set: an element more or fewer", "another set")
def _(rng: random.Random) -> tuple[str, str]:
    items = rng.sample(range(-30, 30), 4)
    return rng.choice(
        (
            (f"\\{{{','.join(map(str, items[:3]))}\\}}", f"\\{{{','.join(map(str, items))}\\}}"),
            (f"\\{{{','.join(map(str, items))}\\}}", f"\\{{{','.join(map(str, items[:3]))}\\}}"),
        )
    )


@right("list: with and, or, in another order", "several values, whose order says nothing")
def _(rng: random.Random) -> tuple[str, str]:
    first, second = rng.sample(range(-30, 30), 2)
    given = rng.choice(
        (f"{second} and {first}", f"{second}, {first}", f"x={first} \\text{{ or }} x={second}")
    )
    return given, f"{first}, {second}"


@right("point: other spelling", "the same coordinates")
def _(rng: random.Random) -> tuple[str, str]:
    x, y = integer(rng, 1, 30), rng.randint(1, 9)
    return f"\\left( {x}, {frac(3 * y, 3)} \\right)", f"({x}, {y})"


@wrong("point: coordinates exchanged", "a point has an order")
def _(rng: random.Random) -> tuple[str, str]:
    x, y = rng.sample(range(-30, 30), 2)
    return f"({y}, {x})", f"({x}, {y})"


@right("matrix: other brackets and entries", "the same entries, with other brackets or unreduced")
def _(rng: random.Random) -> tuple[str, str]:
    a, b, c, d = (rng.randint(-9, 9) for _ in range(4))
    gold = f"\\begin{{pmatrix}} {a} & {b} \\\\ {c} & {d} \\end{{pmatrix}}"
    given = f"\\begin{{bmatrix}}{frac(2 * a, 2)}&{b}\\\\{c}&{d}\\end{{bmatrix}}"
    return given, gold


@wrong("matrix: transposed", "another matrix")
def _(rng: random.Random) -> tuple[str, str]:
    a, b, c, d = rng.sample(range(-9, 9), 4)
    gold = f"\\begin{{pmatrix}} {a} & {b} \\\\ {c} & {d} \\end{{pmatrix}}"
    return f"\\begin{{pmatrix}} {a} & {c} \\\\ {b} & {d} \\end{{pmatrix}}", gold


@right("ratio: scaled", "`6:8` is `3:4`")
def _(rng: random.Random) -> tuple[str, str]:
    above, below = reduced(rng, 12)
    factor = rng.randint(2, 5)
    return f"{above * factor}:{below * factor}", f"{above}:{below}"


# Units, percentages, degrees, money.


@right("unit: left out", "the question names the unit")
def _(rng: random.Random) -> tuple[str, str]:
    number, unit = (
        rng.randint(2, 500),
        rng.choice(("cm", "kg", "km/h", "square units", "cm^2", "minutes", "dollars")),
    )
    return rng.choice(((f"{number}", f"{number}\\text{{ {unit}}}"), (f"{number} {unit}", f"{number}")))


@right("unit: other spelling", "the same unit")
def _(rng: random.Random) -> tuple[str, str]:
    number = rng.randint(2, 500)
    short, long = rng.choice(
        (
            ("cm", "centimeters"),
            ("kg", "kilograms"),
            ("m^2", "square meters"),
            ("km/h", "kilometers per hour"),
        )
    )
    return rng.choice(
        (f"{number} {long}", f"{number}\\text{{ {long}}}", f"{number}\\ \\mathrm{{{short}}}")
    ), f"{number} {short}"


@right("unit: converted", "the same size in another unit")
def _(rng: random.Random) -> tuple[str, str]:
    large, small, factor = rng.choice(UNITS)
    number = rng.randint(2, 90)
    return f"{number * factor} {small}", f"{number} {large}"


@wrong("unit: another", "the same number of something else")
def _(rng: random.Random) -> tuple[str, str]:
    large, small, _ = rng.choice(UNITS)
    number = rng.randint(2, 500)
    return rng.choice(((f"{number} {small}", f"{number} {large}"), (f"{number} cm", f"{number} cm^2")))


@right("percent: as a number", "50 % is one half")
def _(rng: random.Random) -> tuple[str, str]:
    number = rng.randint(1, 99)
    share = Fraction(number, 100)
    return rng.choice(
        ((f"{number}\\%", f"{number / 100}"), (frac(share.numerator, share.denominator), f"{number}\\%"))
    )


@wrong("percent: sign dropped", "50 % is one half, and 50 a hundred times that")
def _(rng: random.Random) -> tuple[str, str]:
    number = rng.randint(2, 99)
    return rng.choice(((f"{number}\\%", f"{number}"), (f"{number}", f"{number}\\%")))


@right("degrees: sign left out or spelled", "the question is about an angle in degrees")
def _(rng: random.Random) -> tuple[str, str]:
    number = rng.randint(1, 359)
    given = rng.choice((f"{number}", f"{number} degrees", f"{number}°", f"{number}^{{\\circ}}"))
    return given, f"{number}^\\circ"


@right("degrees: in radians", "the same angle")
def _(rng: random.Random) -> tuple[str, str]:
    below = rng.choice((2, 3, 4, 5, 6, 9, 12))
    return frac("\\pi", below), f"{180 // below}^\\circ"


@right("money: other spelling", "the same amount")
def _(rng: random.Random) -> tuple[str, str]:
    number = rng.randint(2, 900)
    return rng.choice((f"\\${number}", f"${number}", f"{number} dollars", f"{number}.00")), f"\\${number}"


# Choices and words.


@right("choice: brackets and case", "the same letter")
def _(rng: random.Random) -> tuple[str, str]:
    letter = rng.choice("ABCDEF")
    given = rng.choice(
        (f"({letter})", letter.lower(), f"{letter}.", f"\\text{{{letter}}}", f"\\textbf{{({letter})}}")
    )
    return given, letter


@wrong("choice: another letter", "another option")
def _(rng: random.Random) -> tuple[str, str]:
    first, second = rng.sample("ABCDEF", 2)
    return rng.choice((f"({first})", first, f"\\text{{{first}}}")), second


@right("words: case and dressing", "the same words")
def _(rng: random.Random) -> tuple[str, str]:
    word, other = rng.sample(WORDS, 2)
    phrase = rng.choice((word, f"{word} {other}"))
    return rng.choice(
        (f"\\text{{{phrase}}}", phrase.upper(), f"{phrase.capitalize()}.", f" {phrase}  ")
    ), phrase


@wrong("words: another", "another word")
def _(rng: random.Random) -> tuple[str, str]:
    first, second = rng.sample(WORDS, 2)
    return first, second


@wrong("words: the same letters", "words are not products of letters")
def _(rng: random.Random) -> tuple[str, str]:
    first, second = rng.choice(
        (("cat", "act"), ("on", "no"), ("tan", "ant"), ("was", "saw"), ("dog", "god"), ("eat", "tea"))
    )
    return first, second


# Unicode.


@right("unicode: full width, superscripts, fractions", "another code point for the same character")
def _(rng: random.Random) -> tuple[str, str]:
    number = rng.randint(10, 9999)
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in str(number))
    return rng.choice(
        ((wide, f"{number}"), (f"−{number}", f"-{number}"), (f"{number}½", f"{number}.5"), ("x²+1", "x^2+1"))
    )


@right("unicode: invisible characters", "zero-width and direction marks are no part of an answer")
def _(rng: random.Random) -> tuple[str, str]:
    number, mark = rng.randint(10, 9999), rng.choice("\u200b\u200d\u2060\u202e\u200f\ufeff")
    return f"{mark}{number}{mark}", f"{number}"


# The graders on the corpus.

GRADERS: dict[str, tuple[tuple[str, str], ...]] = {
    "strict": (("grader", "strict"),),
    "mathruler": (("grader", "mathruler"),),
    "math_verify": (("grader", "math_verify"), ("wrap", "both")),
}


@dataclass
class Tally:
    """How a grader fared on a variant."""

    num_wrong: int = 0
    num_late: int = 0
    """Pairs on which it was killed at the time limit."""
    example: tuple[str, str] | None = None


async def measure() -> dict[tuple[str, str], Tally]:
    """Return by (variant, grader) what the grader got wrong; a gold answer that it cannot read is wrong."""
    from visreward_service.engine.pool import Failure, RulePool
    from visreward_service.scorers.base import RuleCall

    pool = RulePool({"answer": "visreward_service.scorers.answers:judge"}, 1, TIME_LIMIT_SECONDS, 2**30)
    await pool.start()
    tallies: dict[tuple[str, str], Tally] = {}
    corpus = list(pairs())
    try:
        for grader, options in GRADERS.items():
            calls = [RuleCall("answer", ("math", pair.given, pair.gold, options)) for pair in corpus]
            for pair, outcome in zip(corpus, await pool.run(calls)):
                tally = tallies.setdefault((pair.variant.name, grader), Tally())
                if isinstance(outcome, Failure):
                    tally.num_late += 1
                elif "unreadable" in outcome or (outcome["score"] == 1.0) != pair.variant.right:
                    tally.num_wrong += 1
                    tally.example = tally.example or (pair.given, pair.gold)
    finally:
        await pool.close()
    return tallies


def visible(text: str) -> str:
    """Return a text as it may stand in a table, invisible characters by their code points."""
    shown = (f"U+{ord(mark):04X} " if unicodedata.category(mark) == "Cf" else mark for mark in text.strip())
    return "".join(shown).replace("|", "\\|")


def table(tallies: dict[tuple[str, str], Tally]) -> str:
    """Return the table of disagreements in Markdown."""
    total = len(VARIANTS) * PAIRS_PER_VARIANT
    lines = [f"{total} pairs, {PAIRS_PER_VARIANT} of each of {len(VARIANTS)} variants.", ""]
    lines += ["| | strict | mathruler | math_verify |", "|---|---|---|---|"]
    for is_right, label in ((True, "right answers called wrong"), (False, "wrong answers called right")):
        names = [variant.name for variant in VARIANTS if variant.right is is_right]
        sums = [sum(tallies[name, grader].num_wrong for name in names) for grader in GRADERS]
        lines.append(f"| {label}, of {len(names) * PAIRS_PER_VARIANT} | {' | '.join(map(str, sums))} |")
    late = [
        sum(tally.num_late for (_, name), tally in tallies.items() if name == grader) for grader in GRADERS
    ]
    limit = f"no verdict in {TIME_LIMIT_SECONDS:g} s of processor time"
    lines.append(f"| {limit} | {' | '.join(map(str, late))} |")
    lines += ["", "| variant | truth | mathruler errs | math_verify errs | example: given, gold | why |"]
    lines += ["|---|---|---|---|---|---|"]
    for variant in VARIANTS:
        found = [tallies[variant.name, grader] for grader in ("mathruler", "math_verify")]
        example = next((tally.example for tally in found if tally.example), None)
        if example:
            shown = ", ".join(f"`{visible(text)}`" for text in example)
            counts = " | ".join(str(tally.num_wrong or "") for tally in found)
            truth = "right" if variant.right else "wrong"
            lines.append(f"| {variant.name} | {truth} | {counts} | {shown} | {variant.why} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table(asyncio.run(measure())) + "\n")
