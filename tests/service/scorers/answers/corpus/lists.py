"""Collections."""

import random

from tests.service.scorers.answers.corpus.draws import frac, integer, reduced
from tests.service.scorers.answers.corpus.variant import right, wrong


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
