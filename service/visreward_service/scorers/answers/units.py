"""Units of measurement as they follow a number: what they measure and how they convert.

A word that is no known unit is a label of its own ("5 apples"): it agrees with itself in both numbers.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

Dimensions = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """What a unit measures, as sorted (base, exponent) pairs, and its size in base units."""

    dimensions: Dimensions
    size: Fraction
    is_degree: bool = False
    """Whether the size has a factor of pi: degrees against radians."""


_LENGTH = {
    "mm millimeter millimetre": Fraction(1, 1000),
    "cm centimeter centimetre": Fraction(1, 100),
    "dm decimeter decimetre": Fraction(1, 10),
    "m meter metre": Fraction(1),
    "km kilometer kilometre": Fraction(1000),
    "in inch inche": Fraction(254, 10_000),
    "ft foot feet": Fraction(3048, 10_000),
    "yd yard": Fraction(9144, 10_000),
    "mi mile": Fraction(1_609_344, 1000),
}
_VOLUME = {
    "ml milliliter millilitre": Fraction(1, 10**6),
    "cl centiliter centilitre": Fraction(1, 10**5),
    "l L liter litre": Fraction(1, 1000),
}
_MASS = {
    "mg milligram": Fraction(1, 10**6),
    "g gram": Fraction(1, 1000),
    "kg kilogram kilo": Fraction(1),
    "t ton tonne": Fraction(1000),
    "lb pound": Fraction(45_359_237, 10**8),
    "oz ounce": Fraction(45_359_237, 16 * 10**8),
}
_TIME = {
    "ms millisecond": Fraction(1, 1000),
    "s sec second": Fraction(1),
    "min minute": Fraction(60),
    "h hr hour": Fraction(3600),
    "day": Fraction(86_400),
    "week": Fraction(604_800),
    "month": Fraction(2_629_746),
    "yr year": Fraction(31_556_952),
}
_OTHERS: dict[str, tuple[Dimensions, Fraction]] = {
    "dollar usd $ buck": ((("usd", 1),), Fraction(1)),
    "cent ¢": ((("usd", 1),), Fraction(1, 100)),
    "euro eur €": ((("eur", 1),), Fraction(1)),
    "gbp £": ((("gbp", 1),), Fraction(1)),
    "yen ¥": ((("jpy", 1),), Fraction(1)),
    "yuan rmb": ((("cny", 1),), Fraction(1)),
    "hectare ha": ((("length", 2),), Fraction(10_000)),
    "acre": ((("length", 2),), Fraction(40_468_564_224, 10**7)),
    "rad radian": ((("angle", 1),), Fraction(1)),
    "mph": ((("length", 1), ("time", -1)), Fraction(1_609_344, 3_600_000)),
    "kph kmh": ((("length", 1), ("time", -1)), Fraction(1000, 3600)),
    "n newton": ((("length", 1), ("mass", 1), ("time", -2)), Fraction(1)),
    "j joule": ((("length", 2), ("mass", 1), ("time", -2)), Fraction(1)),
    "w watt": ((("length", 2), ("mass", 1), ("time", -3)), Fraction(1)),
    "kw kilowatt": ((("length", 2), ("mass", 1), ("time", -3)), Fraction(1000)),
    "v volt": ((("volt", 1),), Fraction(1)),
    "ohm": ((("ohm", 1),), Fraction(1)),
    "amp ampere": ((("ampere", 1),), Fraction(1)),
    "hz hertz": ((("time", -1),), Fraction(1)),
    "kelvin": ((("kelvin", 1),), Fraction(1)),
}
DEGREE = Unit((("angle", 1),), Fraction(1, 180), is_degree=True)
FILLERS = frozenset({"unit", "point", "total", "altogether"})
"""Words that say nothing of what is measured."""


def _table() -> dict[str, Unit]:
    table = dict.fromkeys(("degree", "deg", "°"), DEGREE)
    bases = ((_LENGTH, "length", 1), (_VOLUME, "length", 3), (_MASS, "mass", 1), (_TIME, "time", 1))
    for sizes, base, exponent in bases:
        for names, size in sizes.items():
            table.update(dict.fromkeys(names.split(), Unit(((base, exponent),), size)))
    for names, (dimensions, size) in _OTHERS.items():
        table.update(dict.fromkeys(names.split(), Unit(dimensions, size)))
    return table


TABLE = _table()
POWER_WORDS = {"square": 2, "squared": 2, "sq": 2, "cubic": 3, "cubed": 3, "cu": 3}
PIECE = re.compile(r"([A-Za-z$€£¥¢°]+)\.?(?:\s*\^\s*\{?(-?[1-9])\}?)?")
MAX_CHARS = 60
UNAMBIGUOUS_LETTERS = frozenset("mgshLVWNJ")
"""Single letters that are a unit where a space stands before them."""


def singular(word: str) -> str:
    """Return a word without the plural's ending."""
    for ending, instead in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 1 and not word.endswith("ss"):
            return word[: -len(ending)] + instead
    return word


def _name(word: str) -> Unit | None:
    """Return one word's unit; None for words that only fill."""
    known = TABLE.get(word) or TABLE.get(word.lower()) or TABLE.get(singular(word.lower()))
    if known:
        return known
    label = singular(word.lower())
    return None if label in FILLERS else Unit(((f"label {label}", 1),), Fraction(1))


@lru_cache(4096)
def read_unit(text: str) -> Unit | None:
    """Return the unit that `text` names; None where it names none that says anything.

    Raises ValueError where the text cannot stand for a unit at all.
    """
    text = text.strip().strip("()").strip()
    if not text or len(text) > MAX_CHARS:
        raise ValueError("no unit")
    dimensions: dict[str, int] = {}
    size, is_degree = Fraction(1), False
    for number, part in enumerate(re.split(r"/|\bper\b", text)):
        sign = -1 if number else 1
        for unit, power in _read_part(part):
            for base, exponent in unit.dimensions:
                dimensions[base] = dimensions.get(base, 0) + sign * power * exponent
            size *= unit.size ** (sign * power)
            is_degree = is_degree or unit.is_degree
    found = tuple(sorted((base, exponent) for base, exponent in dimensions.items() if exponent))
    return Unit(found, size, is_degree) if found else None


def _read_part(part: str) -> list[tuple[Unit, int]]:
    units: list[tuple[Unit, int]] = []
    power = 1
    position = 0
    stripped = part.strip().replace("*", " ")
    while position < len(stripped):
        match = PIECE.match(stripped, position)
        if match is None:
            raise ValueError("no unit")
        word = match.group(1)
        position = match.end()
        while position < len(stripped) and stripped[position].isspace():
            position += 1
        if word.lower() in POWER_WORDS:
            if word.lower().endswith("d") and units:
                units[-1] = (units[-1][0], POWER_WORDS[word.lower()])
            else:
                power = POWER_WORDS[word.lower()]
            continue
        if word.lower() == "of":
            break  # "square metres of carpet"
        unit = _name(word)
        if unit is not None:
            units.append((unit, int(match.group(2) or power)))
        power = 1
    return units


def is_known(text: str) -> bool:
    """Return whether every word of `text` is of the table, or says how a unit is raised."""
    words = re.findall(r"[^\s\d/^{}.*-]+", text)
    return bool(words) and all(_is_known_word(word) for word in words)


def _is_known_word(word: str) -> bool:
    if len(word) == 1:
        return word in UNAMBIGUOUS_LETTERS or not word.isalpha()
    lower = word.lower()
    return (
        any(name in TABLE or name in POWER_WORDS for name in (word, lower, singular(lower))) or lower == "per"
    )
