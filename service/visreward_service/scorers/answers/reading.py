r"""Reading an answer as a mathematical object: quantity, list, set, interval, relation, matrix, words.

Takes what `notation.plain` returns. Conventions, beside those of `formula`:

- `1,234` is one number; `1, 234` and `(1,234)` are two;
- items joined by commas, `and` or `or` without brackets are a list, whose order does not matter;
- `(1,2)` may be a point or an open interval: it equals what is written alike, in the same order;
- letters in a row that name no function are words where there are three or more of them.
"""

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from visreward_service.scorers.answers import formula, units
from visreward_service.scorers.answers.formula import Apply, FormulaError, Node, Symbol
from visreward_service.scorers.answers.units import Unit

MAX_ITEMS = 200
MAX_CHARS = 5_000


@dataclass(frozen=True, slots=True)
class Quantity:
    """An expression, perhaps with a unit."""

    node: Node
    unit: Unit | None = None
    product: Node | None = None
    """What the whole is if the unit's letters are variables after all: `12m`."""


@dataclass(frozen=True, slots=True)
class Words:
    """Text, in lower case and with single spaces."""

    text: str


@dataclass(frozen=True, slots=True)
class Bracketed:
    """Items between brackets: a point, an interval, or a set with `{`."""

    opening: str
    closing: str
    items: "tuple[Value, ...]"


@dataclass(frozen=True, slots=True)
class Listing:
    """Items without brackets."""

    items: "tuple[Value, ...]"


@dataclass(frozen=True, slots=True)
class Union:
    """Sets joined by `\\cup`."""

    parts: "tuple[Value, ...]"


@dataclass(frozen=True, slots=True)
class Relation:
    """A chain such as `1 < x \\le 2`: one more side than operators."""

    sides: tuple[Node, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Parts of a whole, such as `3:4`."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of entries, all of the same length."""

    rows: tuple[tuple[Node, ...], ...]


Value = Quantity | Words | Bracketed | Listing | Union | Relation | Ratio | Matrix

SCALES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
SCALE = re.compile(r"(?<=\d)\s*\b(" + "|".join(SCALES) + r")\b", re.IGNORECASE)
BRACKET = re.compile(r"[()\[\]{}]")
OPENING = {"(": "(", "[": "[", "{": "{", "\\{": "{"}
CLOSING = {")": ")", "]": "]", "}": "}", "\\}": "}"}
PIECE = re.compile(r"\\[A-Za-z]+|\\.|[A-Za-z]+|\d[\d.]*|\s+|.", re.DOTALL)
THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:(?:,\d{3})+|(?: \d{3})+)(?![\d,]| ?/)")
MATRIX = re.compile(
    r"\\begin\{([pbvVB]?matrix|smallmatrix|array)\}(?:\{[lcr| ]*\})?(.*)\\end\{\1\}", re.DOTALL
)
TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
RELATIONS = {"=": "=", "<": "<", ">": ">", "\\le": "<=", "\\ge": ">=", "\\ne": "!="}
CONJUNCTIONS = {"and", "or"}
COMMAND = re.compile(r"\\[A-Za-z]+")
WORD = re.compile(r"[A-Za-z]{3,}")
CHOICE = re.compile(r"[(\[]?\s*([A-Za-z])\s*[)\].:]?")
APPLIED = re.compile(r"[A-Za-z]\s*\(\s*[a-z]\s*\)")
LETTERS = re.compile(r"[A-Za-z]{2,}")
CURRENCY = re.compile(r"(-?)\s*([$€£¥])\s*([^$€£¥]+)")
TRAILING_WORDS = re.compile(
    r"(?P<value>.*?(?:[\d)}!%]|\\pi|[a-z](?=\s)))\s*(?P<unit>(?:\\text\s*\{[^{}]*\}|[A-Za-z]+\.?)(?:[\sA-Za-z/.*]|\\text\s*\{[^{}]*\}"
    r"|\^\s*\{?-?[1-9]\}?)*)",
    re.DOTALL,
)
MAX_UNIT_CHARS = 80


def read(text: str) -> Value:
    """Return the object that `text` writes down. Raise FormulaError where it is none that is read here."""
    if len(text) > MAX_CHARS:
        raise FormulaError("too long")
    depth = deepest = 0
    for bracket in BRACKET.finditer(text):
        depth += 1 if bracket.group() in "([{" else -1
        deepest = max(deepest, depth)
    if deepest > formula.MAX_DEPTH:
        raise FormulaError("nested too deeply")
    return _read(SCALE.sub(lambda match: f"*10^{{{SCALES[match.group(1).lower()]}}} ", text))


def _read(text: str) -> Value:
    text = text.strip()
    if not text:
        raise FormulaError("empty")
    for reader in READERS:
        value = reader(text)
        if value is not None:
            return value
    raise FormulaError("not readable")


def _read_text(text: str) -> Value | None:
    match = TEXT.fullmatch(text)
    if match is None:
        return None
    return _read(match.group(1)) if match.group(1).strip() else Words("")


def _read_choice(text: str) -> Value | None:
    match = CHOICE.fullmatch(text)
    return Quantity(Symbol(match.group(1))) if match else None


def _read_matrix(text: str) -> Value | None:
    match = MATRIX.fullmatch(text)
    if match is None:
        return None
    lines = [line for line in re.split(r"\\\\(?:\[[^\]]*\])?|\\cr\b", match.group(2)) if line.strip()]
    rows = tuple(tuple(formula.parse(cell) for cell in line.split("&")) for line in lines)
    if not rows or len(rows) * len(rows[0]) > MAX_ITEMS or len({len(row) for row in rows}) > 1:
        raise FormulaError("no matrix")
    return Matrix(rows)


def _split(text: str, is_separator: Callable[[str], bool]) -> list[str]:
    """Split at separators outside all brackets; a `)` may close a `[`, as in intervals."""
    parts, depth, start = [], 0, 0
    for match in PIECE.finditer(text):
        piece = match.group()
        if piece in OPENING:
            depth += 1
        elif piece in CLOSING:
            depth -= 1
        elif depth == 0 and is_separator(piece):
            parts.append(text[start : match.start()])
            start = match.end()
            if len(parts) > MAX_ITEMS:
                raise FormulaError("too many items")
    return [*parts, text[start:]]


def _read_union(text: str) -> Value | None:
    if "\\cup" not in text:
        return None
    parts = _split(text, lambda piece: piece == "\\cup")
    return Union(tuple(_read(part) for part in parts)) if len(parts) > 1 else None


def _read_list(text: str) -> Value | None:
    unspaced = (
        THOUSANDS.sub(lambda match: match.group().replace(",", "").replace(" ", ""), text)
        if "(" not in text
        else text
    )
    unspaced = TEXT.sub(_bare_conjunction, unspaced)
    parts = _split(unspaced, lambda piece: piece in (",", ";") or piece in CONJUNCTIONS)
    items = [part for part in parts if part.strip()]
    if len(parts) == 1:
        return _read(unspaced) if unspaced != text else None
    return Listing(tuple(_read(item) for item in items)) if items else None


def _bare_conjunction(match: re.Match[str]) -> str:
    return f" {match.group(1)} " if match.group(1).strip() in CONJUNCTIONS else match.group()


def _read_brackets(text: str) -> Value | None:
    pieces = list(PIECE.finditer(text))
    first, last = pieces[0].group(), pieces[-1].group()
    if first not in OPENING or last not in CLOSING or len(pieces) < 2:
        return None
    depth = 0
    for piece in pieces[:-1]:
        depth += (piece.group() in OPENING) - (piece.group() in CLOSING)
        if depth == 0:
            return None  # the first bracket closes before the end
    inner = text[pieces[0].end() : pieces[-1].start()]
    items = [item for item in _split(inner, lambda piece: piece in (",", ";")) if item.strip()]
    is_set = OPENING[first] == "{"
    if len(items) > 1 or (is_set and first != "{"):
        return Bracketed(OPENING[first], CLOSING[last], tuple(_read(item) for item in items))
    return _read(inner) if items and is_set else None


def _read_empty_set(text: str) -> Value | None:
    return Bracketed("{", "}", ()) if text == "\\emptyset" else None


def _read_relation(text: str) -> Value | None:
    membership = _split(text, lambda piece: piece == "\\in")
    if len(membership) == 2:
        return _read(membership[1])
    operators: list[str] = []

    def note(piece: str) -> bool:
        if piece in RELATIONS:
            operators.append(RELATIONS[piece])
            return True
        return False

    sides = _split(text.replace("<=", "\\le ").replace(">=", "\\ge ").replace("!=", "\\ne "), note)
    if len(sides) == 1:
        return None
    values = [_read_side(side) for side in sides]
    if operators == ["="] and _is_label(values[0], values[1]):
        return values[1]
    if not all(isinstance(value, Quantity) for value in values):
        raise FormulaError("a relation between things that are no expressions")
    return Relation(tuple(_as_node(value) for value in values), tuple(operators))


def _read_side(text: str) -> Value:
    if APPLIED.fullmatch(text.strip()):
        return Quantity(Symbol("".join(text.split())))
    return _read(text)


def _is_label(left: Value, right: Value) -> bool:
    """Return whether the left side only names the right one: `area = 5`, `A = [[1, 2], [3, 4]]`."""
    if isinstance(left, Words):
        return True
    return isinstance(left, Quantity) and isinstance(left.node, Symbol) and not isinstance(right, Quantity)


def _as_node(value: Value) -> Node:
    if not isinstance(value, Quantity):
        raise FormulaError("no expression")
    return value.node


def _read_letters(text: str) -> Value | None:
    if not LETTERS.fullmatch(text) or formula.NAME.search(text):
        return None
    return Words(text.lower())


def _read_currency(text: str) -> Value | None:
    match = CURRENCY.fullmatch(text)
    if match is None:
        return None
    value = _read(match.group(1) + match.group(3))
    return Quantity(value.node, units.read_unit(match.group(2))) if isinstance(value, Quantity) else None


def _read_ratio(text: str) -> Value | None:
    parts = _split(text, lambda piece: piece == ":") if ":" in text else []
    if len(parts) < 2 or not all(part.strip() for part in parts):
        return None
    try:
        return Ratio(tuple(formula.parse(part) for part in parts))
    except FormulaError:
        return None


def _read_quantity(text: str) -> Value | None:
    """Read an expression, or one with a unit behind it."""
    node = _parse_letters(text)
    match = TRAILING_WORDS.fullmatch(text[-MAX_UNIT_CHARS:])
    if match is not None and _is_measure(match, node):
        value = _parse_letters(text[:-MAX_UNIT_CHARS] + match.group("value"))
        name = TEXT.sub(lambda group: f" {group.group(1)} ", match.group("unit"))
        with contextlib.suppress(ValueError):
            unit = units.read_unit(name)
            if value is not None:
                return Quantity(value, unit, node)
    if node is None:
        return None
    if isinstance(node, Apply) and node.function == "degree":
        return Quantity(node.arguments[0], units.DEGREE)
    return Quantity(node)


def _parse_letters(text: str) -> Node | None:
    """Return the expression in which every letter is a variable; None where there are words among them."""
    if "\\text" in text:
        return None
    letters = formula.NAME.sub(" ", COMMAND.sub(" ", text))
    if WORD.search(letters) and (" " in text or WORD.fullmatch(text)):
        return None
    try:
        return formula.parse(text)
    except FormulaError:
        return None


def _is_measure(match: re.Match[str], node: Node | None) -> bool:
    """Return whether what follows the value is a unit: known, marked as text, or a word behind a number."""
    name = match.group("unit")
    if "\\text" in name or (node is None and re.search(r"\d", match.group("value"))):
        return True
    attached = match.end("value") == match.start("unit")
    return units.is_known(name) and not (attached and len(name) == 1)


SENTENCE = re.compile(r"[\w\s'\"().,:;!?&/+-]+")


def _read_words(text: str) -> Value | None:
    unwrapped = TEXT.sub(lambda match: match.group(1), text)
    if "\\" in unwrapped or not SENTENCE.fullmatch(unwrapped):
        return None
    has_word = re.search(r"[^\W\d_]{2,}", unwrapped) is not None
    return Words(normal_words(unwrapped)) if has_word else None


def normal_words(text: str) -> str:
    """Return words in lower case, without punctuation at their ends, joined by single spaces."""
    words = (word.strip(".,:;!?\"'()") for word in text.casefold().split())
    return " ".join(word for word in words if word)


READERS: tuple[Callable[[str], Value | None], ...] = (
    _read_text,
    _read_choice,
    _read_empty_set,
    _read_matrix,
    _read_union,
    _read_list,
    _read_brackets,
    _read_relation,
    _read_letters,
    _read_currency,
    _read_ratio,
    _read_quantity,
    _read_words,
)
