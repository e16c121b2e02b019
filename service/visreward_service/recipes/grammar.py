"""The grammar of recipe expressions: from text to a tree, within limits of length and depth.

    or < and < not < comparison (chained) < + - < * / < unary minus < number, name, call, parentheses

The tree is data: reading an expression runs nothing. What names and functions mean is not known here.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from visreward_service.recipes.errors import ExpressionError

MAX_EXPRESSION_CHARS = 2000
MAX_EXPRESSION_DEPTH = 64
"""Of the tree; a sum is as deep as it is long."""
MAX_NESTING = 24
"""Of parentheses and calls, each of which takes a dozen frames of Python's stack."""

TOKEN = re.compile(
    r"[ \t\r\n]*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<operator>[<>=!]=|[-+*/(),<>]))"
)
KEYWORDS = frozenset({"and", "or", "not"})
COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})


@dataclass(frozen=True, slots=True)
class Number:
    value: float
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    column: int
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Operation:
    """Unary `-` and `not`, binary `+ - * / and or`."""

    operator: str
    operands: tuple["Node", ...]
    column: int
    depth: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """`a < b <= c`: each neighbouring pair must hold, and an operand is evaluated at most once."""

    operators: tuple[str, ...]
    operands: tuple["Node", ...]
    depth: int


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple["Node", ...]
    column: int
    depth: int


Node = Number | Name | Operation | Comparison | Call


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    column: int


def parse(text: str) -> Node:
    """Return the tree of an expression. Raise `ExpressionError` with the column of the fault."""
    if len(text) > MAX_EXPRESSION_CHARS:
        raise ExpressionError(f"longer than {MAX_EXPRESSION_CHARS} characters", MAX_EXPRESSION_CHARS + 1)
    return _Parser(_tokenise(text)).parse_whole()


def _tokenise(text: str) -> list[Token]:
    tokens = []
    position = 0
    end = len(text.rstrip(" \t\r\n"))
    while position < end:
        match = TOKEN.match(text, position)
        if match is None:
            position += len(text[position:]) - len(text[position:].lstrip(" \t\r\n"))
            raise ExpressionError(f"unexpected character {text[position]!a}", position + 1)
        kind = match.lastgroup or ""
        word = match[kind]
        if word in KEYWORDS:
            kind = "operator"
        tokens.append(Token(kind, word, match.start(kind) + 1))
        position = match.end()
    return [*tokens, Token("end", "", end + 1)]


class _Parser:
    """Recursive descent over a list of tokens; `level` bounds the nesting, `depth` of a node the tree."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.index = 0
        self.level = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.index]

    def take(self) -> Token:
        token = self.next
        self.index += 1
        return token

    def expect(self, operator: str) -> None:
        if self.next.text != operator:
            self.fail(f'expected "{operator}"')
        self.take()

    def fail(self, expectation: str) -> NoReturn:
        found = f'found "{self.next.text}"' if self.next.text else "found the end"
        raise ExpressionError(f"{expectation}, {found}", self.next.column)

    def deepen(self, *nodes: Node) -> int:
        depth = 1 + max((node.depth for node in nodes), default=0)
        if depth > MAX_EXPRESSION_DEPTH:
            raise ExpressionError(f"deeper than {MAX_EXPRESSION_DEPTH} levels", self.next.column)
        return depth

    def parse_whole(self) -> Node:
        node = self.parse_or()
        if self.next.kind != "end":
            self.fail("expected an operator")
        return node

    def parse_or(self) -> Node:
        self.level += 1
        if self.level > MAX_NESTING:
            raise ExpressionError(f"nested deeper than {MAX_NESTING} levels", self.next.column)
        node = self.parse_binary(("or",), self.parse_and)
        self.level -= 1
        return node

    def parse_and(self) -> Node:
        return self.parse_binary(("and",), self.parse_not)

    def parse_not(self) -> Node:
        return self.parse_prefix("not", self.parse_comparison)

    def parse_comparison(self) -> Node:
        operands = [self.parse_sum()]
        operators = []
        while self.next.text in COMPARISONS:
            operators.append(self.take().text)
            operands.append(self.parse_sum())
        if not operators:
            return operands[0]
        return Comparison(tuple(operators), tuple(operands), self.deepen(*operands))

    def parse_sum(self) -> Node:
        return self.parse_binary(("+", "-"), self.parse_product)

    def parse_product(self) -> Node:
        return self.parse_binary(("*", "/"), self.parse_negation)

    def parse_negation(self) -> Node:
        return self.parse_prefix("-", self.parse_atom)

    def parse_binary(self, operators: tuple[str, ...], parse_operand: Callable[[], Node]) -> Node:
        node = parse_operand()
        while self.next.text in operators:
            token = self.take()
            right = parse_operand()
            node = Operation(token.text, (node, right), token.column, self.deepen(node, right))
        return node

    def parse_prefix(self, operator: str, parse_operand: Callable[[], Node]) -> Node:
        columns = []
        while self.next.text == operator:
            columns.append(self.take().column)
        node = parse_operand()
        for column in reversed(columns):
            node = Operation(operator, (node,), column, self.deepen(node))
        return node

    def parse_atom(self) -> Node:
        token = self.next
        if token.kind == "number":
            return self.parse_number()
        if token.kind == "name":
            self.take()
            return self.parse_call(token) if self.next.text == "(" else Name(token.text, token.column)
        if token.text == "(":
            self.take()
            node = self.parse_or()
            self.expect(")")
            return node
        return self.fail("expected a number, a name or a parenthesis")

    def parse_number(self) -> Node:
        token = self.take()
        value = float(token.text)
        if not math.isfinite(value):
            raise ExpressionError("a number too large", token.column)
        return Number(value)

    def parse_call(self, function: Token) -> Node:
        self.take()
        arguments: list[Node] = []
        while self.next.text != ")":
            if arguments:
                self.expect(",")
            arguments.append(self.parse_or())
        self.take()
        return Call(function.text, tuple(arguments), function.column, self.deepen(*arguments))
