"""Surds, powers, constants."""

import random

from tests.service.scorers.answers.corpus.draws import frac, square_free
from tests.service.scorers.answers.corpus.variant import right, wrong


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
