"""Described figures against the reference's."""

import pytest

from tests.service.scorers.boxes.judging import judge, value
from visreward.protocol import Code
from visreward_service.scorers.base import Fault
from visreward_service.scorers.primitives import Primitives

FIGURE = """Point:
A: (0, 0)
B: (5, 5)
Line:
(0, 0) -- (5, 5)
(0, 0) -- (5, 0)
Circle:
(1, 1, 2)
"""
EXTRA = {"primitives": FIGURE}


def test_the_same_figure_earns_one_in_every_class() -> None:
    assert set(judge(Primitives, FIGURE, extra=EXTRA).values.values()) == {1.0}


def test_a_missing_line_costs_recall_and_a_false_one_precision() -> None:
    fewer = "Line:\n(0, 0) -- (5, 5)"
    assert value(Primitives, fewer, "lines_f1", extra=EXTRA) == pytest.approx(2 / 3)
    more = "Line:\n(0, 0) -- (5, 5)\n(0, 0) -- (5, 0)\n(0, 9) -- (1, 0)"
    assert value(Primitives, more, "lines_f1", extra=EXTRA) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("line", "f1"),
    [
        ("(5, 0) -- (0, 0)", 1),
        ("(0, 0.05) -- (5, -0.05)", 1),
        ("(0, 0) -- (5, 0.5)", 1),
        ("(0, 0) -- (5, 0.6)", 0),
        ("(0, 0) -- (2, 0) -- (5, 0)", 1),
        ("(4.2, 0) -- (9, 0)", 0),
        ("(0, 3) -- (5, 3)", 1),
        ("(0, 0) -- (0, 5)", 0),
    ],
)
def test_lines_agree_within_six_degrees_and_a_fifth_of_their_stretch(line: str, f1: float) -> None:
    extra = {"primitives": "Line:\n(0, 0) -- (5, 0)"}
    assert value(Primitives, f"Line:\n{line}", "lines_f1", extra=extra) == f1


def test_upright_and_pointlike_lines_are_fitted() -> None:
    extra = {"primitives": "Line:\n(1, 0) -- (1, 5)\n(3, 3) -- (3, 3)"}
    assert value(Primitives, "Line:\n(1, 5) -- (1, 0)", "lines_f1", extra=extra) == pytest.approx(2 / 3)


def test_points_and_circles_pair_within_the_tolerance() -> None:
    text = "Point:\nA: (0.3, 0)\nB: (9, 9)\nCircle:\n(1, 1, 2.4)"
    values = judge(Primitives, text, extra=EXTRA).values
    assert (values["points_f1"], values["circles_f1"], values["lines_f1"]) == (0.5, 1.0, 0.0)
    assert values["mean_f1"] == pytest.approx(0.5)


def test_classes_that_neither_side_has_do_not_enter_the_mean() -> None:
    extra = {"primitives": "Circle:\n(1, 1, 2)"}
    values = judge(Primitives, "Circle:\n(1, 1, 2)", extra=extra).values
    assert (values["mean_f1"], values["lines_f1"]) == (1.0, 1.0)


@pytest.mark.parametrize(
    "text", [None, "", "a triangle", "Line:\n" + "(0, 0) -- (1, 1)\n" * 5000, "(" * 100_000]
)
def test_text_without_shapes_or_with_too_many_earns_nothing(text: str | None) -> None:
    assert value(Primitives, text, "mean_f1", extra=EXTRA) == 0.0


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ({}, Code.MISSING_FIELD),
        ({"primitives": 3}, Code.INVALID_ITEM),
        ({"primitives": "a circle"}, Code.REFERENCE_UNPARSABLE),
        ({"primitives": "Line:\n" + "(0, 0) -- (1, 1)\n" * 5000}, Code.INVALID_ITEM),
    ],
)
def test_a_reference_that_describes_nothing_is_an_item_error(extra: dict[str, object], code: Code) -> None:
    with pytest.raises(Fault) as fault:
        judge(Primitives, FIGURE, extra=extra)
    assert fault.value.code is code
