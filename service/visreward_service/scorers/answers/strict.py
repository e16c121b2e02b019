r"""The strict profile: whether two answers are the same mathematical object.

Exact where numbers are rational, to 40 digits elsewhere; no tolerance, no simplification, no guessing. What
counts as the same, beside the conventions of `formula` and `reading`:

- a label before `=` may be missing on either side (`x = 5` and `5`), but two labels must agree;
- a unit may be missing on either side; two units must measure the same, and are converted;
- `50%` is one half and not 50; degrees may be left out, and `180^\circ` is `\pi`;
- lists and sets have no order, points and intervals have; an inequality in one variable is its interval;
- equations and inequalities are the same when one is a multiple of the other;
- words are compared without regard to letter case and punctuation, single letters without regard to case.
"""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from visreward_service.scorers.answers import formula, identity, notation, reading
from visreward_service.scorers.answers.formula import Apply, FormulaError, Node, Number, Symbol
from visreward_service.scorers.answers.reading import (
    Bracketed,
    Listing,
    Matrix,
    Quantity,
    Ratio,
    Relation,
    Union,
    Value,
    Words,
)
from visreward_service.scorers.answers.verdict import UnreadableGold, Verdict

INFINITY = Symbol("\\infty")
MINUS_INFINITY = Apply("neg", (INFINITY,))
FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}


@lru_cache(4096)
def read_gold(gold: str) -> Value:
    """Return the gold answer as an object. Raise UnreadableGold where it is none."""
    try:
        value = reading.read(notation.plain(gold))
        for node in _nodes(value):
            _check_computable(node)
    except (FormulaError, identity.Unbounded) as error:
        raise UnreadableGold(f"the gold answer cannot be read: {error}") from None
    return value


def _nodes(value: Value) -> Iterable[Node]:
    match value:
        case Quantity(node=node):
            yield node
        case Relation(sides=sides):
            yield from sides
        case Ratio(parts=nodes):
            yield from nodes
        case Matrix(rows=rows):
            for row in rows:
                yield from row
        case Bracketed(items=parts) | Listing(items=parts) | Union(parts=parts):
            for part in parts:
                yield from _nodes(part)
        case Words():
            return


def _check_computable(node: Node) -> None:
    """Raise Unbounded where a constant expression is too large to compute."""
    for branch in identity.branches(node):
        if identity.variables(branch) or identity.exact(branch) is not None:
            continue
        try:
            identity.value_at(branch, {})
        except identity.Undefined:
            continue


def judge(given: str, gold: str) -> Verdict:
    """Return whether `given` says what `gold` says. Raise UnreadableGold."""
    wanted = read_gold(gold)
    try:
        had = reading.read(notation.plain(given))
    except FormulaError as error:
        return Verdict.of(False, f"not readable: {error}")
    try:
        right = equal(wanted, had)
    except (FormulaError, identity.Unbounded) as error:
        return Verdict.of(False, f"not computable: {error}")
    return Verdict.of(right, f"{type(wanted).__name__.lower()} and {type(had).__name__.lower()}")


def equal(wanted: Value, had: Value) -> bool:
    """Return whether two objects are the same. Raises Unbounded, FormulaError."""
    wanted, had = _settled_forms(wanted, had)
    comparison = COMPARISONS.get((type(wanted), type(had)))
    return comparison is not None and comparison(wanted, had)


def _settled_forms(wanted: Value, had: Value) -> tuple[Value, Value]:
    """Return both sides without labels that only one has, inequalities as intervals beside intervals."""
    wanted, had = _expanded(wanted), _expanded(had)
    if isinstance(had, Relation) and not isinstance(wanted, Relation):
        had = _without_label(had)
    elif isinstance(wanted, Relation) and not isinstance(had, Relation):
        wanted = _without_label(wanted)
    if isinstance(wanted, (Bracketed, Union)) and isinstance(had, Relation):
        had = _interval(had) or had
    if isinstance(had, (Bracketed, Union)) and isinstance(wanted, Relation):
        wanted = _interval(wanted) or wanted
    if isinstance(wanted, Matrix) and isinstance(had, Bracketed):
        had = _matrix(had) or had
    if isinstance(had, Matrix) and isinstance(wanted, Bracketed):
        wanted = _matrix(wanted) or wanted
    return _listed(wanted, had)


def _listed(wanted: Value, had: Value) -> tuple[Value, Value]:
    """Return a list and a set, or a list and a single thing, as two lists."""
    if isinstance(wanted, Listing) and not isinstance(had, Listing):
        return wanted, _as_list(had)
    if isinstance(had, Listing) and not isinstance(wanted, Listing):
        return _as_list(wanted), had
    return wanted, had


def _as_list(value: Value) -> Value:
    if isinstance(value, Bracketed) and value.opening == "{":
        return Listing(value.items)
    return value if isinstance(value, Bracketed) else Listing((value,))


def _expanded(value: Value) -> Value:
    """Return what `\\pm` stands for, as a list."""
    if isinstance(value, Quantity):
        nodes = identity.branches(value.node)
        return value if len(nodes) == 1 else Listing(tuple(Quantity(node, value.unit) for node in nodes))
    if isinstance(value, Relation) and len(value.sides) == 2 and value.operators == ("=",):
        nodes = identity.branches(value.sides[1])
        left = value.sides[0]
        return value if len(nodes) == 1 else Listing(tuple(Relation((left, node), ("=",)) for node in nodes))
    if isinstance(value, Listing):
        return Listing(_flattened(value.items))
    if isinstance(value, Bracketed) and value.opening == "{":
        return Bracketed("{", value.closing, _flattened(value.items))
    return value


def _flattened(items: Sequence[Value]) -> tuple[Value, ...]:
    flat: list[Value] = []
    for item in map(_expanded, items):
        flat.extend(item.items if isinstance(item, Listing) else (item,))
    return tuple(flat)


def _without_label(relation: Relation) -> Value:
    """Return the value of `x = 5`, or of a true computation `2 + 3 = 5`; other relations as they are."""
    if set(relation.operators) != {"="}:
        return relation
    first, last = relation.sides[0], relation.sides[-1]
    rest = relation.sides[1:]
    labelled = isinstance(first, Symbol) and first.name not in set().union(*map(identity.variables, rest))
    sides = rest if labelled else relation.sides
    if all(identity.same(side, last) for side in sides[:-1]):
        return Quantity(last)
    return relation


def _interval(relation: Relation) -> Bracketed | None:
    """Return the interval of an inequality or a chain of two in one variable."""
    sides, operators = relation.sides, relation.operators
    if any(operator in ("=", "!=") for operator in operators):
        return None
    if operators[0] in (">", ">="):
        sides, operators = sides[::-1], tuple(FLIPPED[operator] for operator in operators[::-1])
    if any(operator not in ("<", "<=") for operator in operators):
        return None
    match sides:
        case (low, Symbol(), high):
            first, last = operators
        case (Symbol() as name, high) if name != INFINITY:
            low, first, last = MINUS_INFINITY, "<", operators[0]
        case (low, Symbol()):
            high, first, last = INFINITY, operators[0], "<"
        case _:
            return None
    opening, closing = "(" if first == "<" else "[", ")" if last == "<" else "]"
    return Bracketed(opening, closing, (Quantity(low), Quantity(high)))


def _matrix(value: Bracketed) -> Matrix | None:
    """Return the matrix that nested lists write down."""
    rows = []
    for row in value.items:
        if not (isinstance(row, Bracketed) and all(isinstance(entry, Quantity) for entry in row.items)):
            return None
        rows.append(tuple(entry.node for entry in row.items if isinstance(entry, Quantity)))
    return Matrix(tuple(rows)) if len({len(row) for row in rows}) == 1 else None


def same_node(wanted: Node, had: Node) -> bool:
    """Return whether two expressions are the same; infinities are the same as themselves."""
    ends = (INFINITY, MINUS_INFINITY)
    plain_wanted, plain_had = _without_plus(wanted), _without_plus(had)
    if plain_wanted in ends or plain_had in ends:
        return plain_wanted == plain_had
    return identity.same(wanted, had)


def _without_plus(node: Node) -> Node:
    if isinstance(node, Apply) and node.function == "pos":
        return node.arguments[0]
    return node


def _same_quantity(wanted: Quantity, had: Quantity) -> bool:
    return _same_measure(wanted, had) or _same_product(wanted, had)


def _same_measure(wanted: Quantity, had: Quantity) -> bool:
    if isinstance(wanted.node, Symbol) and isinstance(had.node, Symbol):
        return wanted.node.name.lower() == had.node.name.lower()
    if wanted.unit is None or had.unit is None:
        if same_node(wanted.node, had.node):
            return True
        unit = wanted.unit or had.unit
        if unit is None or not unit.is_degree:
            return False
    elif wanted.unit.dimensions != had.unit.dimensions:
        return False
    return same_node(_in_base(wanted), _in_base(had))


def _same_product(wanted: Quantity, had: Quantity) -> bool:
    """Compare two quantities as if the letters of their units were variables."""
    if wanted.product is None and had.product is None:
        return False
    return same_node(wanted.product or wanted.node, had.product or had.node)


def _in_base(quantity: Quantity) -> Node:
    """Return the value in base units; an angle without a unit is in radians."""
    if quantity.unit is None:
        return quantity.node
    size: Node = Number(quantity.unit.size)
    factors = (quantity.node, size, Symbol("\\pi")) if quantity.unit.is_degree else (quantity.node, size)
    return Apply("mul", factors)


def _same_words(wanted: Words, had: Words) -> bool:
    return wanted.text == had.text and bool(wanted.text)


def _words_and_quantity(words: Words, quantity: Quantity) -> bool:
    """Compare letters in a row, which may be a product after all."""
    try:
        return same_node(formula.parse(words.text), quantity.node)
    except FormulaError:
        return False


def _matched(wanted: Sequence[Value], had: Sequence[Value]) -> bool:
    """Return whether the items can be paired. Equality is transitive, so that a greedy pairing is enough."""
    if len(wanted) != len(had):
        return False
    left = list(had)
    for item in wanted:
        for number, candidate in enumerate(left):
            if equal(item, candidate):
                del left[number]
                break
        else:
            return False
    return True


def _same_bracketed(wanted: Bracketed, had: Bracketed) -> bool:
    if wanted.opening == "{" or had.opening == "{":
        return wanted.opening == had.opening and _same_set(wanted.items, had.items)
    if (wanted.opening, wanted.closing) != (had.opening, had.closing) or len(wanted.items) != len(had.items):
        return False
    return all(equal(one, other) for one, other in zip(wanted.items, had.items))


def _same_set(wanted: Sequence[Value], had: Sequence[Value]) -> bool:
    return all(any(equal(item, other) for other in had) for item in wanted) and all(
        any(equal(other, item) for other in wanted) for item in had
    )


def _same_matrix(wanted: Matrix, had: Matrix) -> bool:
    if [len(row) for row in wanted.rows] != [len(row) for row in had.rows]:
        return False
    pairs = zip(wanted.rows, had.rows)
    return all(same_node(one, other) for row, others in pairs for one, other in zip(row, others))


def _same_relation(wanted: Relation, had: Relation) -> bool:
    if len(wanted.operators) != len(had.operators):
        return False
    if len(wanted.operators) == 1:
        return _same_simple_relation(wanted, had)
    one, other = _interval(wanted), _interval(had)
    if one and other:
        return _bound(wanted) == _bound(had) and _same_bracketed(one, other)
    return wanted.operators == had.operators and all(
        same_node(left, right) for left, right in zip(wanted.sides, had.sides)
    )


def _same_ratio(wanted: Ratio, had: Ratio) -> bool:
    if len(wanted.parts) != len(had.parts):
        return False
    first, other = wanted.parts[0], had.parts[0]
    return all(
        same_node(Apply("mul", (part, other)), Apply("mul", (first, opposite)))
        for part, opposite in zip(wanted.parts[1:], had.parts[1:])
    )


def _ratio_and_quantity(ratio: Ratio, quantity: Quantity) -> bool:
    return len(ratio.parts) == 2 and same_node(Apply("div", ratio.parts), quantity.node)


def _bound(relation: Relation) -> frozenset[str]:
    return frozenset().union(*map(identity.variables, relation.sides))


def _same_simple_relation(wanted: Relation, had: Relation) -> bool:
    factor = identity.ratio(_difference(wanted), _difference(had))
    if factor is None or identity.CONTEXT.im(factor) != 0:
        return False
    operator, other = wanted.operators[0], had.operators[0]
    if operator in ("=", "!="):
        return operator == other
    return operator == (other if factor > 0 else FLIPPED[other])


def _difference(relation: Relation) -> Node:
    left, right = relation.sides
    return Apply("add", (left, Apply("neg", (right,))))


COMPARISONS: dict[tuple[type[Any], type[Any]], Callable[[Any, Any], bool]] = {
    (Quantity, Quantity): _same_quantity,
    (Words, Words): _same_words,
    (Words, Quantity): _words_and_quantity,
    (Quantity, Words): lambda wanted, had: _words_and_quantity(had, wanted),
    (Listing, Listing): lambda wanted, had: _matched(wanted.items, had.items),
    (Bracketed, Bracketed): _same_bracketed,
    (Union, Union): lambda wanted, had: _matched(wanted.parts, had.parts),
    (Ratio, Ratio): _same_ratio,
    (Ratio, Quantity): _ratio_and_quantity,
    (Quantity, Ratio): lambda wanted, had: _ratio_and_quantity(had, wanted),
    (Matrix, Matrix): _same_matrix,
    (Relation, Relation): _same_relation,
}


def settle(given: str, gold: str) -> Verdict | None:
    """Return the verdict on plain numbers and single letters; None for all else."""
    if len(given) > 40 or len(gold) > 40:
        return None
    had, wanted = _plain_value(given.strip()), _plain_value(gold.strip())
    if had is None or wanted is None or isinstance(had, str) != isinstance(wanted, str):
        return None
    return Verdict.of(had == wanted, "plain numbers" if isinstance(had, Fraction) else "letters")


def _plain_value(text: str) -> Fraction | str | None:
    unsigned = text[1:] if text.startswith("-") else text
    if unsigned.isascii() and unsigned.replace(".", "", 1).isdigit() and not unsigned.endswith("."):
        return Fraction(text)
    if len(text) == 1 and text.isascii() and text.isalpha():
        return text.lower()
    return None
