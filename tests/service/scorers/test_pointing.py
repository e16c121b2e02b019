"""Points in the boxes that they should lie in."""

import pytest

from tests.service.scorers.boxes.judging import judge, label, value
from visreward_service.scorers.pointing import Pointing

TWO = [label([0, 0, 10, 10]), label([20, 20, 30, 30])]


@pytest.mark.parametrize(
    "text",
    [
        "(5, 5) and (25, 25)",
        "[5, 5], [25.0, 25.0]",
        '<point x="5" y="5" alt="a">a</point><point x="25" y="25">b</point>',
        '[{"point_2d": [5, 5], "label": "a"}, {"point_2d": [25, 25]}]',
    ],
)
def test_every_way_of_writing_two_points_is_read(text: str) -> None:
    values = judge(Pointing, text, boxes=TWO).values
    assert (values["f1"], values["first_hit"], values["distance"]) == (1.0, 1.0, 0.0)


def test_each_box_takes_one_point() -> None:
    values = judge(Pointing, "(1, 1) (2, 2) (3, 3)", boxes=TWO).values
    assert values["precision"] == pytest.approx(1 / 3)
    assert values["recall"] == 0.5


def test_overlapping_boxes_are_shared_out_so_that_most_points_count() -> None:
    boxes = [label([0, 0, 10, 10]), label([0, 0, 100, 100])]
    assert value(Pointing, "(5, 5) (50, 50)", "f1", boxes=boxes) == 1.0
    assert value(Pointing, "(50, 50) (5, 5)", "f1", boxes=boxes) == 1.0


def test_an_edge_belongs_to_the_box_and_a_hair_beyond_does_not() -> None:
    assert value(Pointing, "(10, 10)", "first_hit", boxes=TWO) == 1.0
    assert value(Pointing, "(10.01, 10)", "first_hit", boxes=TWO) == 0.0


@pytest.mark.parametrize("text", [None, "", "there", "(" * 100_000, "(1, 2)" * 20_000, "[1" + "1" * 100_000])
def test_text_without_points_or_with_too_many_earns_zero(text: str | None) -> None:
    assert value(Pointing, text, "f1", boxes=TWO) == 0.0


def test_where_there_is_nothing_pointing_nowhere_is_right() -> None:
    assert value(Pointing, "no such thing", "f1", boxes=[]) == 1.0
    assert value(Pointing, "(1, 1)", "f1", boxes=[]) == 0.0


def test_points_move_between_frames() -> None:
    extra = {"image_width": 30, "image_height": 30}
    assert value(Pointing, "(0.8, 0.8)", "first_hit", boxes=TWO, extra=extra, frame="unit") == 1.0
