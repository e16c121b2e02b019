"""Units, percentages, degrees, money."""

import random
from fractions import Fraction

from tests.service.scorers.answers.corpus.draws import frac
from tests.service.scorers.answers.corpus.variant import right, wrong

UNITS = (("cm", "mm", 10), ("m", "cm", 100), ("km", "m", 1000), ("kg", "g", 1000), ("hours", "minutes", 60))


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
