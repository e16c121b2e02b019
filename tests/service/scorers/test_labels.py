"""Sets of labels."""

import pytest

from tests.service.scorers.boxes.judging import judge, value
from visreward.protocol import Code
from visreward_service.scorers.base import Fault
from visreward_service.scorers.labels import Labels


@pytest.mark.parametrize(
    "given", ["cat, dog", "dog cat", "cat，dog", "cat、dog", '["cat", "dog"]', "['dog','cat']"]
)
def test_every_way_of_listing_two_labels_is_read(given: str) -> None:
    assert value(Labels, given, "equal", answer="cat, dog") == 1.0


def test_jaccard_precision_and_recall() -> None:
    values = judge(Labels, "cat, cow, pig", answer="cat, dog").values
    assert values == {"jaccard": 1 / 4, "precision": 1 / 3, "recall": 1 / 2, "equal": 0.0}


def test_letter_case_matters_only_on_request() -> None:
    assert value(Labels, "CAT dog", "jaccard", answer="cat dog") == 1.0
    assert value(Labels, "CAT dog", "jaccard", answer="cat dog", ignore_case=False) == pytest.approx(1 / 3)


@pytest.mark.parametrize("given", [None, "", " ,, ", "[cat, dog]", "[1, 2]", '{"a": ["cat"]}', "[" * 100_000])
def test_what_is_no_list_of_labels_has_none(given: str | None) -> None:
    assert value(Labels, given, "jaccard", answer="cat, dog") == 0.0


def test_a_gold_answer_without_labels_is_an_item_error() -> None:
    with pytest.raises(Fault) as fault:
        judge(Labels, "cat", answer=" , ")
    assert fault.value.code is Code.REFERENCE_UNPARSABLE
