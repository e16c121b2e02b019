"""Numbers and their spellings, drawn at random."""

import random
from math import gcd


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
