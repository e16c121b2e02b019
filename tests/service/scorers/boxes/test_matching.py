"""Each order of matching makes the pairs that its definition makes."""

import itertools

import numpy as np
import pytest

from visreward_service.scorers.boxes import Matches, Order, Threshold, match
from visreward_service.scorers.boxes.overlap import Matrix

HALF = Threshold(0.5)


def pairs(matches: Matches) -> list[tuple[int, int]]:
    return list(zip(matches.predicted, matches.reference))


def run(order: Order, overlaps: Matrix, threshold: Threshold = HALF, **given: object) -> Matches:
    same = given.get("same", np.ones(overlaps.shape, dtype=bool))
    confidences = given.get("confidences", [1.0] * overlaps.shape[0])
    return match(order, overlaps, same, confidences, threshold)  # type: ignore[arg-type]


def test_the_most_confident_prediction_chooses_first() -> None:
    overlaps = np.array([[0.9], [0.6]])
    assert pairs(run("confidence", overlaps, confidences=[0.1, 0.8])) == [(1, 0)]
    assert pairs(run("confidence", overlaps, confidences=[0.5, 0.5])) == [(0, 0)]


def test_the_largest_overlap_is_paired_first_whoever_comes_first() -> None:
    overlaps = np.array([[0.6, 0.0], [0.9, 0.8]])
    assert pairs(run("overlap", overlaps)) == [(1, 0)]


def test_the_optimal_order_finds_the_two_pairs_that_greed_misses() -> None:
    overlaps = np.array([[0.6, 0.0], [0.9, 0.8]])
    assert sorted(pairs(run("optimal", overlaps))) == [(0, 0), (1, 1)]


@pytest.mark.parametrize("seed", range(20))
def test_the_optimal_order_beats_every_permutation(seed: int) -> None:
    overlaps = np.random.default_rng(seed).random((4, 4))
    best = max(
        sum(overlaps[row, column] for row, column in enumerate(columns))
        for columns in itertools.permutations(range(4))
    )
    assert sum(run("optimal", overlaps, Threshold(0.0)).overlaps) == pytest.approx(best)


def test_the_shadowed_order_pairs_the_last_with_the_last_and_keeps_the_largest_overlap() -> None:
    reversed_boxes = np.array([[0.0, 1.0], [1.0, 0.0]])
    found = run("overlap_shadowed", reversed_boxes)
    assert pairs(found) == [(1, 1)]
    assert found.overlaps == (1.0,)


@pytest.mark.parametrize("seed", range(20))
def test_the_shadowed_order_is_the_loop_it_was_written_as(seed: int) -> None:
    overlaps = np.random.default_rng(seed).random((5, 3))
    rows, columns, expected = list(range(5)), list(range(3)), []
    while rows and columns:
        largest = max(overlaps[row, column] for row in rows for column in columns)
        if largest < 0.5:
            break
        expected.append((rows.pop(), columns.pop(), largest))
    found = run("overlap_shadowed", overlaps)
    assert list(zip(found.predicted, found.reference, found.overlaps)) == expected


def test_the_label_order_lets_references_choose_among_their_own_label() -> None:
    overlaps = np.array([[0.9, 0.7], [0.8, 0.6]])
    same = np.array([[False, True], [True, True]])
    assert pairs(run("label", overlaps, same=same)) == [(1, 0), (0, 1)]


@pytest.mark.parametrize("order", ["confidence", "overlap", "overlap_shadowed", "label", "optimal"])
def test_an_overlap_equal_to_the_threshold_counts_only_where_it_is_included(order: Order) -> None:
    overlaps = np.array([[0.5]])
    assert len(run(order, overlaps, Threshold(0.5, inclusive=True))) == 1
    assert len(run(order, overlaps, Threshold(0.5, inclusive=False))) == 0


@pytest.mark.parametrize("order", ["confidence", "overlap", "overlap_shadowed", "label", "optimal"])
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_is_paired_with_nothing(order: Order, shape: tuple[int, int]) -> None:
    assert len(run(order, np.zeros(shape))) == 0


@pytest.mark.parametrize("order", ["confidence", "overlap", "overlap_shadowed", "label", "optimal"])
def test_a_thousand_boxes_a_side_are_paired_one_to_one(order: Order) -> None:
    overlaps = np.random.default_rng(0).random((1000, 1000))
    found = run(order, overlaps, Threshold(0.0))
    assert len(set(found.predicted)) == len(set(found.reference)) == len(found) == 1000
