"""The expression language: what it computes, and what it refuses, with the place."""

import math
import random

import pytest

from visreward.protocol import Code
from visreward_service.recipes.errors import ExpressionError
from visreward_service.recipes.expression import parse_expression
from visreward_service.scorers.base import Fault


def evaluate(text: str, **values: float | None) -> float:
    return parse_expression(text).evaluate(values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("7 - 2 - 1", 4.0),
        ("8 / 4 / 2", 1.0),
        ("-2 * -3", 6.0),
        ("--2", 2.0),
        ("-(1 + 2)", -3.0),
        (".5 + 1. + 1e-1 + 2E2", 0.5 + 1.0 + 0.1 + 200.0),
        ("1 < 2", 1.0),
        ("2 <= 1", 0.0),
        ("1 < 2 < 3", 1.0),
        ("1 < 3 < 2", 0.0),
        ("1 == 1.0", 1.0),
        ("1 != 1", 0.0),
        ("1 + 1 > 1", 1.0),
        ("not 1 > 2", 1.0),
        ("not not 3", 1.0),
        ("2 and 3", 1.0),
        ("0 or 3", 1.0),
        ("0 or 0 and 1", 0.0),
        ("1 or 1 and 0", 1.0),
        ("min(3, 1, 2)", 1.0),
        ("max(3)", 3.0),
        ("clip(1.5, 0, 1)", 1.0),
        ("clip(-1, 0, 1)", 0.0),
        ("where(0, 1, 2)", 2.0),
        ("where(-0.5, 1, 2)", 1.0),
        ("mean(1, 2, 6)", 3.0),
        ("product(2, 3, 4)", 24.0),
        ("abs(-3)", 3.0),
        ("exp(0)", 1.0),
        ("log(exp(1))", 1.0),
        ("sqrt(9)", 3.0),
        ("weighted_mean(1, 3, 5, 1)", 2.0),
    ],
)
def test_an_expression_has_the_value_of_arithmetic(text: str, expected: float) -> None:
    value = evaluate(text)
    assert value == expected
    assert isinstance(value, float)


def test_generated_arithmetic_has_the_bits_of_python() -> None:
    rng = random.Random(7)
    names = ("a", "b", "c")

    def grow(depth: int) -> str:
        if depth == 0:
            return rng.choice([*names, f"{rng.uniform(0, 9):.3f}", str(rng.randrange(5))])
        left, right = grow(rng.randrange(depth)), grow(rng.randrange(depth))
        return rng.choice(
            [
                f"({left} + {right})",
                f"{left} - ({right})",
                f"{left} * {right}",
                f"-({left})",
                f"min({left}, {right}, 1)",
                f"abs({left})",
                f"({left} <= {right})",
                f"{left} + {right} * {left}",
            ]
        )

    for _ in range(2000):
        text = grow(rng.randrange(1, 6))
        values = {name: rng.uniform(-2, 2) for name in names}
        expected = eval(text, {"min": min, "abs": abs}, values)  # noqa: S307 - the test's own text
        assert evaluate(text, **values) == float(expected), text


def test_sums_are_made_left_to_right_as_written() -> None:
    assert evaluate("0.1 + 0.2 + 0.3") == (0.1 + 0.2) + 0.3
    assert evaluate("0.3 + 0.2 + 0.1") == (0.3 + 0.2) + 0.1
    assert evaluate("0.1 + 0.2 + 0.3") != evaluate("0.3 + 0.2 + 0.1")


@pytest.mark.parametrize(
    "text",
    [
        "1 / x",
        "0 / x",
        "log(x)",
        "sqrt(x - 1)",
        "exp(1000)",
        "1e308 * 10",
        "min(1e308 * 10, 1)",
        "1 / (1e308 * 10)",
    ],
)
def test_what_is_not_finite_is_a_fault_even_where_it_would_be_hidden(text: str) -> None:
    with pytest.raises(Fault) as caught:
        evaluate(text, x=0.0)
    assert caught.value.code is Code.NOT_FINITE


def test_a_name_without_a_value_is_a_fault_that_names_it() -> None:
    with pytest.raises(Fault, match=r'"b"') as caught:
        evaluate("a + b", a=1.0, b=None)
    assert caught.value.code is Code.NOT_APPLICABLE


def test_the_means_leave_out_what_has_no_value_and_scale_the_rest() -> None:
    assert evaluate("weighted_mean(a, 0.4, b, 0.4, c, 0.2)", a=1.0, b=None, c=0.0) == 0.4 / (0.4 + 0.2)
    assert evaluate("mean(a, 2 * b, c)", a=1.0, b=None, c=0.0) == 0.5
    for text in ("weighted_mean(b, 1, b, 2)", "mean(b, b)"):
        with pytest.raises(Fault) as caught:
            evaluate(text, b=None)
        assert caught.value.code is Code.NOT_APPLICABLE


def test_only_the_branch_that_is_taken_is_evaluated() -> None:
    assert evaluate("where(a > 0, a, b)", a=1.0, b=None) == 1.0
    assert evaluate("where(a > 0, 1 / a, 0)", a=0.0) == 0.0
    assert evaluate("a > 0 and 1 / a > 1", a=0.0) == 0.0
    assert evaluate("a == 0 or 1 / a > 1", a=0.0) == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found the end at column 1"),
        ("1 +", "expected a number, a name or a parenthesis, found the end at column 4"),
        ("(1", 'expected "\\)", found the end at column 3'),
        ("a b", 'expected an operator, found "b" at column 3'),
        ("2x", 'found "x" at column 2'),
        ("a $ b", "unexpected character '\\$' at column 3"),
        ("a = b", "unexpected character '=' at column 3"),
        ("é", "unexpected character .* at column 1"),
        ("a.b", "at column 2"),
        ("'text'", "at column 1"),
        ("a ** b", "at column 4"),
        ("a // b", "at column 4"),
        ("1e999", "too large at column 1"),
        ("1 + mn(a, b)", 'unknown function "mn" at column 5; nearest: min, mean'),
        ("min()", "min takes at least 1 argument, has 0 at column 1"),
        ("clip(a, 1)", "clip takes 3 arguments, has 2 at column 1"),
        ("exp(1, 2)", "exp takes 1 argument, has 2"),
        ("weighted_mean(a, 1, b)", "groups of 2, has 3"),
        ("weighted_mean()", "groups of 2, has 0"),
        ("min(a,)", "at column 7"),
        ("__import__(a)", 'unknown function "__import__"'),
        ("lambda: a", "at column 7"),
        ("[a]", "at column 1"),
    ],
)
def test_what_is_not_of_the_language_is_refused_with_its_column(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        parse_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 500 + "1" + ")" * 500,
        "-" * 1000 + "1",
        "not " * 400 + "1",
        "+".join("a" * 500),
        "abs(" * 300,
        "1" * 3000,
    ],
)
def test_what_is_too_deep_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"deeper|longer"):
        parse_expression(text)


def test_thirty_two_weighted_terms_are_not_too_deep() -> None:
    names = [f"t{index}" for index in range(32)]
    text = " + ".join(f"0.5*{name}" for name in names)
    assert evaluate(text, **dict.fromkeys(names, 1.0)) == 16.0


def test_an_unknown_name_is_refused_with_near_ones() -> None:
    expression = parse_expression("0.5*clip + 0.5*fromat")
    assert set(expression.names) == {"clip", "fromat"}
    expression.check({"clip", "fromat"})
    with pytest.raises(ExpressionError, match=r'unknown name "fromat" at column 16; nearest: format'):
        expression.check({"clip", "format"})


def test_a_term_may_be_named_as_a_function() -> None:
    assert evaluate("clip(clip, 0, 1) + min", clip=3.0, min=1.0) == 2.0


def test_random_text_is_refused_or_gives_a_finite_number() -> None:
    rng = random.Random(11)
    pieces = [
        "a",
        "1",
        "0.5",
        "+",
        "-",
        "*",
        "/",
        "(",
        ")",
        ",",
        "<",
        ">=",
        "and",
        "not",
        "min",
        "where",
        " ",
        "=",
        "é",
    ]
    for _ in range(5000):
        text = "".join(rng.choice(pieces) for _ in range(rng.randrange(1, 12)))
        try:
            value = evaluate(text, a=0.5)
        except (ExpressionError, Fault, KeyError):
            continue
        assert math.isfinite(value)
