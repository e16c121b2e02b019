"""Statistics of a group: values that are missing are left out and never taken for 0."""

import sys

import pytest

from visreward.protocol.statistics import average, deviate

HUGE = sys.float_info.max


def test_a_group_of_ties_has_exactly_their_value_for_a_mean() -> None:
    assert average([0.1] * 7) == 0.1
    assert deviate([0.1] * 7) == 0.0


@pytest.mark.parametrize(
    ("values", "mean", "deviation"),
    [
        ([1e200, -1e200], 0.0, 1e200),
        ([HUGE, HUGE, 0.0, 0.0], HUGE / 2, HUGE / 2),
        ([HUGE, -HUGE], 0.0, HUGE),
        ([None, None], None, None),
    ],
)
def test_values_near_the_end_of_a_double_have_statistics(
    values: list[float | None], mean: float | None, deviation: float | None
) -> None:
    assert average(values) == mean
    assert deviate(values) == (None if deviation is None else pytest.approx(deviation))
