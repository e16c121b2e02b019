"""Option letters that stand alone."""

import pytest

from tests.service.scorers.boxes.judging import judge, value
from visreward_service.scorers.letters import Letters


@pytest.mark.parametrize(
    ("given", "gold", "equal", "jaccard"),
    [
        ("B", "B", 1, 1),
        ("(b).", "B", 1, 1),
        ("A, C", "A C", 1, 1),
        ("C, A", "A C", 0, 1),
        ("A and B", "A", 0, 0.5),
        ("BED", "B", 0, 0),
        ("A A A", "A", 1, 1),
        ("F", "B", 0, 0),
        ("", "B", 0, 0),
        (None, "B", 0, 0),
    ],
)
def test_letters_beside_which_no_letter_stands_are_compared(
    given: str | None, gold: str, equal: int, jaccard: float
) -> None:
    values = judge(Letters, given, answer=gold).values
    assert (values["equal"], values["jaccard"]) == (equal, jaccard)


def test_the_order_can_be_left_out() -> None:
    assert value(Letters, "C, A", "equal", answer="A C", in_order=False) == 1.0


def test_no_letters_on_both_sides_are_equal_only_on_request() -> None:
    assert value(Letters, "17", "equal", answer="42") == 0.0
    assert value(Letters, "17", "equal", answer="42", empty="equal") == 1.0
    assert value(Letters, None, "equal", answer="42", empty="equal") == 0.0
    assert value(Letters, "17", "equal", answer="B", empty="equal") == 0.0


def test_the_last_letter_can_be_another() -> None:
    assert value(Letters, "H", "equal", answer="H", last="J") == 1.0
