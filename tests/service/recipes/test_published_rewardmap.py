"""RewardMap (arXiv:2510.02240, fscdc/RewardMap@15428ac): what the strict recipes mend."""

from typing import Any

import pytest

from tests.service.recipes.published import judge
from visreward.protocol import Code
from visreward_service.scorers.base import Fault

LINES = '{"Line 1": ["Museum", "Park", "Market"], "Line 2": ["Market", "Harbour"]}'


def extra(start: str, end: str, transfers: int, city: str = "easy") -> dict[str, Any]:
    return {
        "lines": LINES,
        "station_1": start,
        "station_2": end,
        "question_transfer_count": transfers,
        "difficulty_city": city,
    }


def write(*segments: tuple[str, str, str]) -> str:
    return "--\n".join(
        f"Route Name: {line}\nDeparture Stop: {start}\nArrival Stop: {end}\n" for line, start, end in segments
    )


DIRECT = write(("Line 1", "Museum", "Market"))
CHANGED = write(("Line 1", "Museum", "Market"), ("Line 2", "Market", "Harbour"))


def test_a_perfect_direct_route_earns_its_details_in_full() -> None:
    reward, parts = judge("rewardmap/planning-strict", DIRECT, extra=extra("Museum", "Market", 0))
    assert (parts["route"], parts["details"]) == (1.0, 6.0)
    assert reward == pytest.approx(13.0)


@pytest.mark.parametrize(("city", "weight"), [("easy", 1.5), ("middle", 1.7), ("hard", 2.0)])
def test_the_difficulty_of_city_and_route_weighs_all(city: str, weight: float) -> None:
    given = extra("Museum", "Harbour", 1, city)
    reward, parts = judge("rewardmap/planning-strict", CHANGED, extra=given)
    assert parts["route"] == 1.0
    assert parts["details"] is not None
    assert reward == pytest.approx(weight * (10 + 0.5 * parts["details"]))


def test_a_route_to_elsewhere_or_with_far_too_many_changes_never_costs() -> None:
    given = extra("Museum", "Market", 0)
    assert judge("rewardmap/planning-strict", CHANGED, extra=given)[0] == 0.0
    around = write(*[("Line 1", "Museum", "Park"), ("Line 1", "Park", "Museum")] * 5)
    many = around + "--\n" + DIRECT
    reward, parts = judge("rewardmap/planning-strict", many, extra=given)
    assert parts["details"] is not None
    assert parts["details"] >= 0.0
    assert reward >= 0.0


@pytest.mark.parametrize(
    ("name", "given", "gold", "right"),
    [
        ("true-false", "\\boxed{Yes}", "yes", 1),
        ("true-false", "\\boxed{no}", "yes", 0),
        ("true-false", "yes", "yes", 0),
        ("counting", "\\boxed{3} or \\boxed{7}", "7", 1),
        ("counting", "the answer is 7", "7", 0),
    ],
)
def test_the_boxed_answer_is_worth_ten_by_difficulty(name: str, given: str, gold: str, right: int) -> None:
    reward, _ = judge(f"rewardmap/{name}-strict", given, answer=gold, extra={"difficulty_city": "hard"})
    assert reward == pytest.approx(15.0 * right)


def test_an_unknown_difficulty_is_an_item_error() -> None:
    with pytest.raises(Fault) as fault:
        judge("rewardmap/counting-strict", "\\boxed{7}", answer="7", extra={"difficulty_city": "odd"})
    assert (fault.value.code, fault.value.field) == (Code.INVALID_ITEM, "reference.extra.difficulty_city")
