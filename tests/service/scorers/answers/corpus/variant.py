"""A way in which a given answer relates to the gold one, and the register of all ways."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Make = Callable[[random.Random], tuple[str, str]]
"""Returns (given, gold)."""

PAIRS_PER_VARIANT = 48
SEED = 20_260_101


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
