"""Group-level numbers: values that are missing are left out and never taken for 0."""

import math
import sys

import pytest

from visreward_service.recipes.steps.aggregate import (
    Gate,
    classify,
    gate,
    keeps,
    rate_passed,
    tame,
)

HUGE = sys.float_info.max


def test_the_pass_rate_counts_what_was_scored() -> None:
    assert rate_passed([1.0, 0.0, None, 1.0]) == pytest.approx(2 / 3)
    assert rate_passed([None, None]) is None
    assert rate_passed([0.6, 0.4], threshold=0.5) == 0.5


@pytest.mark.parametrize(
    ("num_right", "expected"), [(8, "easy"), (7, "medium"), (4, "medium"), (1, "medium"), (0, "hard")]
)
def test_eight_rollouts_class_a_question(num_right: int, expected: str) -> None:
    assert classify([1.0] * num_right + [0.0] * (8 - num_right)) == expected


@pytest.mark.parametrize("values", [[1.0] * 7, [1.0] * 7 + [None], [1.0] * 8 + [None], []])
def test_a_question_with_too_few_scored_rollouts_has_no_class(values: list[float | None]) -> None:
    assert classify(values) is None


def test_seven_of_seven_are_medium_where_short_groups_count() -> None:
    assert classify([1.0] * 7, count_short=True) == "medium"
    assert classify([0.0] * 7, count_short=True) == "hard"
    assert classify([1.0] * 7 + [None], count_short=True) is None
    assert classify([], count_short=True) is None


def test_a_filter_keeps_groups_strictly_between_its_bounds() -> None:
    assert keeps([1.0, 0.0])
    assert not keeps([1.0, 1.0])
    assert not keeps([0.0, 0.0])
    assert not keeps([None])
    assert keeps([1.0, None], low=0.9999, high=1.0001)
    assert not keeps([1.0] * 99 + [0.0], low=0.01, high=0.99)


def test_a_filter_takes_ties_at_their_very_value() -> None:
    assert not keeps([0.1] * 7, low=0.1, high=1.0)


@pytest.mark.parametrize(
    ("perception", "expected"),
    [
        ([0.0, 0.0], Gate(False, 0.0)),
        ([0.25, 0.5], Gate(True, 0.375)),
        ([1.0, 1.0], Gate(True, 0.5)),
        ([0.5, None], Gate(True, 0.5)),
        ([None], None),
    ],
)
def test_the_gate_is_shut_where_nothing_was_seen_right(
    perception: list[float | None], expected: Gate | None
) -> None:
    assert gate(perception) == expected


def test_the_component_that_varies_most_is_tamed() -> None:
    components = {"calm": [0.9, 1.0, 1.1], "wild": [0.1, 1.0, 4.0]}
    result = tame(components, {"calm": 1.0, "wild": 0.5})
    assert result.names == ("wild",)
    expected = [calm + 0.5 * math.log(1 + wild) for calm, wild in zip(components["calm"], components["wild"])]
    assert result.totals == pytest.approx(expected)


def test_the_threshold_can_be_the_median_or_a_number() -> None:
    components = {"a": [1.0, 1.1], "b": [1.0, 2.0], "c": [0.1, 4.0]}
    weights = dict.fromkeys(components, 1.0)
    assert tame(components, weights, "median").names == ("c",)
    assert tame(components, weights, 0.2).names == ("b", "c")
    assert tame(components, weights, 9.0).names == ()


def test_an_item_that_lacks_a_component_has_no_total() -> None:
    result = tame({"a": [1.0, None], "b": [1.0, 1.0]}, {"a": 1.0, "b": 1.0}, 9.0)
    assert result.totals == (2.0, None)


def test_a_component_without_a_positive_mean_is_never_tamed() -> None:
    assert tame({"a": [-1.0, 1.0], "b": [0.0, 0.0]}, {"a": 1.0, "b": 1.0}, 0.0).names == ()


def test_a_value_without_a_logarithm_costs_its_own_item_the_total() -> None:
    result = tame({"a": [-2.0, 9.0]}, {"a": 1.0}, 0.1)
    assert result.names == ("a",)
    assert result.totals == (None, math.log(10.0))
