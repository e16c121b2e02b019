"""Fractions."""

import random
from math import gcd

from tests.service.scorers.answers.corpus.draws import frac, reduced
from tests.service.scorers.answers.corpus.variant import right, wrong


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
