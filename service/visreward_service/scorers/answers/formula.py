r"""Reading one expression: a small recursive-descent parser for LaTeX and calculator notation.

Takes what `notation.plain` returns and gives a tree. It evaluates nothing, runs nothing, and refuses what is
too long or too deep, so that hostile text costs no more than its length. Conventions:

- letters next to each other are a product (`xy`), save for names of functions and constants;
- `2\frac{1}{3}` and `2 1/3` are mixed numbers where the fraction is proper; else they are products;
- `/` binds like a product, from the left: `1/2x` is `x/2`; `\frac12` is a half, `\sqrt12` the root of 12;
- `\log` without a base is the decimal logarithm; `x^10` is the tenth power;
- `%` divides by 100; `\pm` stands for both signs.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

MAX_TOKENS = 2_000
MAX_DEPTH = 50
MAX_DIGITS = 4_000


class FormulaError(ValueError):
    """The text is no expression that this parser reads."""


@dataclass(frozen=True, slots=True)
class Number:
    """A rational number."""

    value: Fraction
    is_decimal: bool = False
    """Whether it was written with a decimal point."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A variable or a constant, such as `x`, `x_1`, `\\pi`."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation or function with its arguments."""

    function: str
    arguments: tuple["Node", ...]


Node = Number | Symbol | Apply

FUNCTION_NAMES = "arcsin arccos arctan arccot sinh cosh tanh sin cos tan cot sec csc ln log lg exp sqrt abs"
FUNCTIONS = FUNCTION_NAMES.split()
CONSTANTS = {"pi": "\\pi", "infty": "\\infty", "infinity": "\\infty", "inf": "\\infty", "oo": "\\infty"}
GREEK_NAMES = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau "
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell"
)
GREEK = frozenset(GREEK_NAMES.split())
INVERSES = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}

TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,5}(?![\d.]))?)"
    r"|(?P<command>\\[A-Za-z]+|\\[{}])"
    r"|(?P<word>[A-Za-z])"
    r"|(?P<sign>\*\*|[-+*/^_!%(){}\[\]|']))",
    re.ASCII,
)
BLANK = re.compile(r"\s*")
NAME = re.compile("|".join([*FUNCTIONS, *CONSTANTS]))


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text: its kind (`number`, `command`, `word`, `sign`) and spelling."""

    kind: str
    text: str
    spaced: bool = False
    """Whether white space stands before it."""


def tokenize(text: str) -> list[Token]:
    """Return the tokens of an expression. Raise FormulaError for characters that none has."""
    tokens: list[Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        start = BLANK.match(text, position).end()  # type: ignore[union-attr]  # it matches anything
        name = NAME.match(text, start)
        if name:
            position = name.end()
            tokens.append(Token("command", _command(name.group()), start > position))
        else:
            match = TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise FormulaError("a character that no expression has")
            spelling = match.group(match.lastgroup)
            spelling = "^" if spelling == "**" else spelling
            tokens.append(Token(match.lastgroup, spelling, match.start(match.lastgroup) > position))
            position = match.end()
        if len(tokens) > MAX_TOKENS:
            raise FormulaError("too long")
    return tokens


def _command(name: str) -> str:
    return CONSTANTS.get(name, "\\" + name)


def parse(text: str) -> Node:
    """Return the tree of one expression. Raise FormulaError where the text is none."""
    parser = _Parser(tokenize(text))
    node = parser.sum()
    if parser.peek() is not None:
        raise FormulaError("something stands behind the expression")
    return node


def _product(factors: list[Node]) -> Node:
    return factors[0] if len(factors) == 1 else Apply("mul", tuple(factors))


def _is_whole(node: Node) -> bool:
    return isinstance(node, Number) and node.value.denominator == 1 and not node.is_decimal


def _is_proper_fraction(node: Node) -> bool:
    if not (isinstance(node, Apply) and node.function == "div"):
        return False
    above, below = node.arguments
    if not (isinstance(above, Number) and isinstance(below, Number)):
        return False
    return _is_whole(above) and _is_whole(below) and 0 < above.value < below.value


class _Parser:
    """Recursive descent over tokens; a method per level of binding, the loosest first."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self._depth = 0
        self._in_bars = False

    def peek(self, ahead: int = 0) -> Token | None:
        """Return a token without taking it; None behind the end."""
        index = self._position + ahead
        return self._tokens[index] if index < len(self._tokens) else None

    def sum(self) -> Node:
        """Read terms joined by `+`, `-` and `\\pm`."""
        terms = [self._signed(self._take_sign() or "+")]
        while sign := self._take_sign():
            terms.append(self._signed(sign))
        return terms[0] if len(terms) == 1 else Apply("add", tuple(terms))

    def _signed(self, sign: str) -> Node:
        while another := self._take_sign():
            sign = _combine(sign, another)
        term = self._product()
        return term if sign == "+" else Apply(SIGNS[sign], (term,))

    def _product(self) -> Node:
        factors = [self._mixed() or self._power()]
        outside = self._depth
        while True:
            if self._take("*"):
                factors.append(self._factor())
            elif self._take("/"):
                self.enter()  # a chain of divisions is a deep tree
                factors = [Apply("div", (_product(factors), self._factor()))]
            elif self._starts_factor():
                following = self._power()
                if isinstance(following, Number):
                    raise FormulaError("two numbers without a sign between them")
                if _is_whole(factors[-1]) and _is_proper_fraction(following):
                    following = Apply("add", (factors.pop(), following))
                factors.append(following)
            else:
                self._depth = outside
                return _product(factors)

    def _factor(self) -> Node:
        sign = "+"
        while another := self._take_sign():
            sign = _combine(sign, another)
        node = self._power()
        return node if sign == "+" else Apply(SIGNS[sign], (node,))

    def _mixed(self) -> Node | None:
        """Read a mixed number such as `2 1/3`."""
        whole, above, slash, below = (self.peek(ahead) for ahead in range(4))
        if not (whole and above and slash and below and slash.text == "/" and above.spaced):
            return None
        if not all(token.kind == "number" and token.text.isdigit() for token in (whole, above, below)):
            return None
        if int(above.text) >= int(below.text):
            return None
        self._position += 4
        return Number(int(whole.text) + Fraction(int(above.text), int(below.text)))

    def _power(self) -> Node:
        node = self._postfixed(self._primary())
        if self._take("^"):
            node = self._raised(node)
        return node

    def _raised(self, base: Node) -> Node:
        if self._takes_degree():
            return self._postfixed(Apply("degree", (base,)))
        with _Deeper(self):
            sign = self._take_sign() or "+"
            exponent = self._group("{", "}") if self._at("{") else self._power()
            if self._take("^"):
                exponent = self._raised(exponent)
        exponent = exponent if sign == "+" else Apply(SIGNS[sign], (exponent,))
        return self._postfixed(Apply("pow", (base, exponent)))

    def _takes_degree(self) -> bool:
        for form in (("\\circ",), ("{", "\\circ", "}")):
            tokens = [self.peek(ahead) for ahead in range(len(form))]
            if [token.text if token else None for token in tokens] == list(form):
                self._position += len(form)
                return True
        return False

    def _postfixed(self, node: Node) -> Node:
        if isinstance(node, Symbol) and self._take("'"):
            node = Symbol(node.name + "'")
        if self._take("!"):
            if self._at("!"):
                raise FormulaError("a double factorial")
            node = Apply("factorial", (node,))
        if self._take("%"):
            node = Apply("percent", (node,))
        return node

    def _primary(self) -> Node:
        token = self.peek()
        if token is None:
            raise FormulaError("the expression breaks off")
        if token.kind == "number":
            return self._number()
        if token.kind == "word":
            self._position += 1
            return Symbol(token.text + self._subscript())
        if token.kind == "command":
            return self._command()
        if token.text in BRACKETS:
            return self._group(token.text, BRACKETS[token.text])
        if token.text == "|" and not self._in_bars:
            return self._bars()
        raise FormulaError(f"{token.text!r} where an operand is expected")

    def _number(self) -> Node:
        token = self._next()
        if len(token.text) > MAX_DIGITS:
            raise FormulaError("a number that is too long")
        number = Number(Fraction(token.text.rstrip(".")), "." in token.text or "e" in token.text.lower())
        following = self.peek()
        if following and following.text == "\\overline" and "." in token.text:
            return self._repeating(token.text)
        return number

    def _repeating(self, text: str) -> Node:
        """Read `0.1\\overline{6}`, a decimal whose last digits repeat."""
        self._position += 1
        digits = self._spelling()
        if not digits.isdigit() or len(digits) > 50:
            raise FormulaError("a line over something that is no digits")
        places = len(text) - text.index(".") - 1
        tail = Fraction(int(digits), (10 ** len(digits) - 1) * 10**places)
        return Number(Fraction(text.rstrip(".")) + tail)

    def _subscript(self) -> str:
        return f"_{self._spelling()}" if self._take("_") else ""

    def _spelling(self) -> str:
        """Return the text of a braced group, or of one token."""
        if not self._take("{"):
            return self._next().text
        spelling = ""
        while not self._take("}"):
            spelling += self._next().text
        return spelling

    def _command(self) -> Node:
        name = self._next().text[1:]
        if name == "frac":
            return Apply("div", (self._argument(), self._argument()))
        if name == "binom":
            return Apply("binomial", (self._argument(), self._argument()))
        if name == "sqrt":
            return self._root()
        if name in FUNCTIONS:
            return self._function(name)
        if name in GREEK or f"\\{name}" in CONSTANTS.values():
            return Symbol(f"\\{name}{self._subscript()}")
        raise FormulaError(f"a command that is not read here: {name[:20]}")

    def _argument(self) -> Node:
        """Read an argument as LaTeX does: a braced group, or one token, of a number its first digit."""
        if self._at("{"):
            return self._group("{", "}")
        token = self.peek()
        if token and token.kind == "number" and len(token.text) > 1 and token.text[0].isdigit():
            rest = Token("number", token.text[1:])
            if token.text[1] == ".":
                raise FormulaError("a decimal number without braces")
            self._tokens[self._position : self._position + 1] = [Token("number", token.text[0]), rest]
        return self._primary()

    def _root(self) -> Node:
        degree: Node = Number(Fraction(2))
        if self._at("["):
            degree = self._group("[", "]")
        with _Deeper(self):
            operand = self._primary()
        return Apply("root", (degree, operand))

    def _function(self, name: str) -> Node:
        base: Node | None = None
        exponent: Node | None = None
        if self._take("_"):
            base = self._argument()
        if self._take("^"):
            exponent = self._group("{", "}") if self._at("{") else self._primary()
        with _Deeper(self):
            operand = self._operand()
        if exponent == Apply("neg", (Number(Fraction(1)),)) and name in INVERSES:
            return Apply(INVERSES[name], (operand,))
        if name in ("log", "lg"):
            node: Node = Apply("log", (base or Number(Fraction(10)), operand))
        else:
            node = Apply(name, (operand,))
        return node if exponent is None else Apply("pow", (node, exponent))

    def _operand(self) -> Node:
        """Read a function's operand: a group, or a product up to the next sign or function."""
        token = self.peek()
        if token and token.text in BRACKETS:
            return self._power_of(self._group(token.text, BRACKETS[token.text]))
        sign = self._take_sign()
        factors = [self._power()]
        while self._starts_factor() and not self._at_function():
            factors.append(self._power())
        node = _product(factors)
        return node if sign in (None, "+") else Apply(SIGNS[sign], (node,))

    def _power_of(self, node: Node) -> Node:
        return self._raised(node) if self._take("^") else node

    def _at_function(self) -> bool:
        token = self.peek()
        return token is not None and token.kind == "command" and token.text[1:] in FUNCTIONS

    def _group(self, opening: str, closing: str) -> Node:
        if not self._take(opening):
            raise FormulaError(f"{opening!r} is missing")
        outside, self._in_bars = self._in_bars, False
        with _Deeper(self):
            node = self.sum()
        self._in_bars = outside
        if not self._take(closing):
            raise FormulaError(f"{closing!r} is missing")
        return node

    def _bars(self) -> Node:
        self._position += 1
        self._in_bars = True
        with _Deeper(self):
            node = self.sum()
        self._in_bars = False
        if not self._take("|"):
            raise FormulaError("a bar is missing")
        return Apply("abs", (node,))

    def _starts_factor(self) -> bool:
        token = self.peek()
        if token is None:
            return False
        if token.kind in ("number", "word"):
            return True
        if token.kind == "command":
            return token.text not in ("\\pm", "\\mp", "\\{", "\\}")
        return token.text in BRACKETS or (token.text == "|" and not self._in_bars)

    def _take_sign(self) -> str | None:
        token = self.peek()
        if token is None or token.text not in SIGNS:
            return None
        self._position += 1
        return token.text

    def _take(self, text: str) -> bool:
        if not self._at(text):
            return False
        self._position += 1
        return True

    def _at(self, text: str) -> bool:
        token = self.peek()
        return token is not None and token.text == text

    def _next(self) -> Token:
        token = self.peek()
        if token is None:
            raise FormulaError("the expression breaks off")
        self._position += 1
        return token

    def enter(self) -> None:
        """Go a level deeper. Raise FormulaError where that is too deep."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FormulaError("nested too deeply")

    def leave(self) -> None:
        """Come back up a level."""
        self._depth -= 1


class _Deeper:
    """A level of nesting, for the time of a `with`."""

    def __init__(self, parser: _Parser) -> None:
        self._parser = parser

    def __enter__(self) -> None:
        self._parser.enter()

    def __exit__(self, *_: object) -> None:
        self._parser.leave()


SIGNS = {"+": "pos", "-": "neg", "\\pm": "pm", "\\mp": "mp"}
BRACKETS = {"(": ")", "[": "]", "{": "}"}


def _combine(first: str, second: str) -> str:
    if "+" in (first, second):
        return first if second == "+" else second
    if first == second == "-":
        return "+"
    raise FormulaError("signs that cannot be combined")
