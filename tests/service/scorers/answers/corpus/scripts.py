"""Unicode."""

import random

from tests.service.scorers.answers.corpus.variant import right


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
