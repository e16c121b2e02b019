"""Group-level numbers: values that are missing are left out and never taken for 0."""

import math

import pytest

from visreward_service.engine.groups import (
    classify,
    gate,
    keeps,
    keeps_gated,
    measure_pass_rate,
    tame,
    weigh_difficulty,
)


def test_the_pass_rate_counts_what_was_scored() -> None:
    passed = measure_pass_rate([1.0, 0.0, None, 1.0])
    assert (passed.num_passed, passed.num_scored, passed.num_items) == (2, 3, 4)
    assert passed.rate == pytest.approx(2 / 3)
    assert measure_pass_rate([None, None]).rate is None
    assert measure_pass_rate([0.6, 0.4], threshold=0.5).num_passed == 1


@pytest.mark.parametrize(
    ("num_right", "expected"), [(8, "easy"), (7, "medium"), (4, "medium"), (1, "medium"), (0, "hard")]
)
def test_eight_rollouts_class_a_question(num_right: int, expected: str) -> None:
    assert classify([1.0] * num_right + [0.0] * (8 - num_right)) == expected


@pytest.mark.parametrize("values", [[1.0] * 7, [1.0] * 7 + [None], []])
def test_a_question_with_too_few_scored_rollouts_has_no_class(values: list[float | None]) -> None:
    assert classify(values) is None


def test_a_filter_keeps_groups_strictly_between_its_bounds() -> None:
    assert keeps([1.0, 0.0])
    assert not keeps([1.0, 1.0])
    assert not keeps([0.0, 0.0])
    assert not keeps([None])
    assert keeps([1.0, None], low=0.9999, high=1.0001)
    assert not keeps([1.0] * 99 + [0.0], low=0.01, high=0.99)


def test_a_group_of_ties_has_exactly_their_value_for_a_mean() -> None:
    assert not keeps([0.1] * 7, low=0.1, high=1.0)


@pytest.mark.parametrize(
    ("perception", "is_open", "scale"),
    [([0.0, 0.0], False, 0.0), ([0.25, 0.5], True, 0.375), ([1.0, 1.0], True, 0.5), ([None], False, 0.0)],
)
def test_the_gate_is_shut_where_nothing_was_seen_right(
    perception: list[float | None], is_open: bool, scale: float
) -> None:
    found = gate(perception)
    assert (found.open, found.scale) == (is_open, scale)


def test_a_group_is_kept_where_either_branch_has_something_to_learn() -> None:
    assert keeps_gated([1.0, 1.0], [1.0, 0.0])
    assert keeps_gated([0.5, 0.5], [1.0, 1.0])
    assert not keeps_gated([1.0, 1.0], [0.0, 0.0])


def test_the_component_that_varies_most_is_tamed() -> None:
    components = {"calm": [0.9, 1.0, 1.1], "wild": [0.1, 1.0, 4.0]}
    result = tame(components, {"calm": 1.0, "wild": 0.5})
    assert result.tamed == ("wild",)
    expected = [calm + 0.5 * math.log(1 + wild) for calm, wild in zip(components["calm"], components["wild"])]
    assert result.totals == pytest.approx(expected)


def test_the_threshold_can_be_the_median_or_a_number() -> None:
    components = {"a": [1.0, 1.1], "b": [1.0, 2.0], "c": [0.1, 4.0]}
    weights = dict.fromkeys(components, 1.0)
    assert tame(components, weights, "median").tamed == ("c",)
    assert tame(components, weights, 0.2).tamed == ("b", "c")
    assert tame(components, weights, 9.0).tamed == ()


def test_an_item_that_lacks_a_component_has_no_total() -> None:
    result = tame({"a": [1.0, None], "b": [1.0, 1.0]}, {"a": 1.0, "b": 1.0}, 9.0)
    assert result.totals == (2.0, None)


def test_a_component_without_a_positive_mean_is_never_tamed() -> None:
    result = tame({"a": [-1.0, 1.0], "b": [0.0, 0.0]}, {"a": 1.0, "b": 1.0}, 0.0)
    assert result.tamed == ()
    assert not result.variations


@pytest.mark.parametrize(
    ("components", "weights"),
    [({"a": [1.0], "b": []}, {"a": 1.0}), ({"a": [1.0]}, {"b": 1.0}), ({"a": [-2.0, 9.0]}, {"a": 1.0})],
)
def test_senseless_components_are_refused(
    components: dict[str, list[float | None]], weights: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match=r"lengths|without components|logarithm"):
        tame(components, weights, 0.1)


@pytest.mark.parametrize(
    ("city", "transfers", "weight"),
    [("easy", None, 1.0), ("middle", 0, 1.2), ("hard", 2, 2.0), ("easy", 1, 1.5)],
)
def test_difficulty_weighs_by_city_and_transfers(city: str, transfers: int | None, weight: float) -> None:
    assert weigh_difficulty(city, transfers) == pytest.approx(weight)


def test_unknown_difficulties_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown city class"):
        weigh_difficulty("odd")
    with pytest.raises(ValueError, match="negative"):
        weigh_difficulty("easy", -1)
