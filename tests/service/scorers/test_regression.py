"""Stated numbers against true ones."""

import pytest

from tests.service.scorers.boxes.judging import judge, value
from visreward.protocol import Code
from visreward_service.scorers.base import Fault
from visreward_service.scorers.regression import Regression

EXTRA = {"score": 3.0}


@pytest.mark.parametrize(
    ("rating", "within"),
    [
        ("3", 1),
        ("3.34", 1),
        ("2.66", 1),
        ("3.4", 0),
        ("2.6", 0),
        ("1.2.3", 0),
        (".", 0),
        ('"3"', 0),
        ("-3", 0),
    ],
)
def test_a_rating_counts_when_it_is_less_than_the_threshold_away(rating: str, within: int) -> None:
    assert value(Regression, f'{{"rating": {rating}}}', "within", extra=EXTRA) == within


def test_a_difference_equal_to_the_threshold_is_too_far() -> None:
    assert value(Regression, '"rating": 3.5', "within", extra=EXTRA, threshold=0.5) == 0.0
    assert value(Regression, '"rating": 3.25', "closeness", extra=EXTRA, threshold=0.5) == 0.5


def test_the_first_rating_counts() -> None:
    assert value(Regression, '"rating": 3, "rating": 9', "within", extra=EXTRA) == 1.0


def test_bounds_refuse_what_lies_beyond_the_scale() -> None:
    text = '"rating": 5.2'
    assert value(Regression, text, "within", extra={"score": 5}) == 1.0
    assert value(Regression, text, "within", extra={"score": 5}, low=1.0, high=5.0) == 0.0


@pytest.mark.parametrize("text", [None, "", "I rate it 3", '"rating":' + " " * 100_000])
def test_without_a_number_there_is_no_difference(text: str | None) -> None:
    assert judge(Regression, text, extra=EXTRA).values == {"within": 0.0, "closeness": 0.0}


@pytest.mark.parametrize(
    ("extra", "code"), [({}, Code.MISSING_FIELD), ({"score": "good"}, Code.INVALID_ITEM)]
)
def test_a_reference_that_is_no_number_is_an_item_error(extra: dict[str, object], code: Code) -> None:
    with pytest.raises(Fault) as fault:
        judge(Regression, '"rating": 3', extra=extra)
    assert fault.value.code is code
