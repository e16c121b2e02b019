"""Whether one text holds the other."""

import pytest

from tests.service.scorers.boxes.judging import judge, value
from visreward.protocol import Code
from visreward_service.scorers.base import Fault
from visreward_service.scorers.containment import Containment


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Red fox", (1, 1, 1, 1)),
        ("a red fox!", (1, 1, 0, 0)),
        ("fox", (1, 0, 1, 0)),
        ("wolf", (0, 0, 0, 0)),
        ("", (0, 0, 0, 0)),
        (None, (0, 0, 0, 0)),
    ],
)
def test_texts_are_compared_in_lower_case(given: str | None, expected: tuple[int, ...]) -> None:
    values = judge(Containment, given, answer="red fox").values
    assert (values["either"], values["holds"], values["inside"], values["equal"]) == expected


def test_an_empty_answer_is_a_part_of_every_text_only_on_request() -> None:
    assert value(Containment, " _", "either", answer="fox", drop=" _", empty="contained") == 1.0
    assert value(Containment, " _", "either", answer="fox", drop=" _") == 0.0
    assert value(Containment, None, "either", answer="fox", empty="contained") == 0.0


def test_letter_case_can_matter() -> None:
    assert value(Containment, "Fox", "equal", answer="fox", lower=False) == 0.0


def test_a_gold_answer_of_which_nothing_is_left_is_an_item_error() -> None:
    with pytest.raises(Fault) as fault:
        judge(Containment, "x", answer=" _ ", drop="_")
    assert fault.value.code is Code.REFERENCE_UNPARSABLE
