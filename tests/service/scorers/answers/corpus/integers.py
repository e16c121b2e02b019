"""Integers and decimals."""

import random

from tests.service.scorers.answers.corpus.draws import frac, integer
from tests.service.scorers.answers.corpus.variant import right, wrong


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
