"""RewardMap (arXiv:2510.02240, fscdc/RewardMap@15428ac): its quirks, and what the strict recipes mend."""

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


HARD = {"difficulty_city": "hard"}
AROUND = write(*[("Line 1", "Museum", "Park"), ("Line 1", "Park", "Museum")] * 5)


@pytest.mark.parametrize(
    ("rides", "end", "transfers", "detail"),
    [
        ([("Line 1", "Museum", "Market")], "Market", 0, 1.0),
        ([("Line 1", "Museum", "Market"), ("Line 2", "Market", "Harbour")], "Harbour", 1, 4.0),
        (
            [("Line 1", "Museum", "Park"), ("Line 1", "Park", "Market"), ("Line 2", "Market", "Harbour")],
            "Harbour",
            2,
            8.0,
        ),
    ],
)
def test_a_segment_costs_one_too_early(
    rides: list[tuple[str, str, str]], end: str, transfers: int, detail: float
) -> None:
    reward, parts = judge("rewardmap/planning", write(*rides), extra=extra("Museum", end, transfers))
    assert (parts["route"], parts["details"]) == (1.0, detail)
    assert reward == (1.0 if transfers == 0 else 1.5) * (10.0 + 0.5 * detail)


def test_details_have_no_lower_bound() -> None:
    given = extra("Museum", "Market", 0)
    reward, parts = judge("rewardmap/planning", AROUND + "--\n" + DIRECT, extra=given)
    assert parts["details"] == 2.0 + 11 * (4.0 - 5.0)
    assert reward == 10.0 + 0.5 * -9.0
    assert judge("rewardmap/planning", AROUND * 3 + "--\n" + DIRECT, extra=given)[0] < 0.0


def test_a_ride_to_itself_is_a_route_and_a_line_must_be_spelled_as_in_the_data() -> None:
    standing = write(("Line 1", "Museum", "Museum"))
    assert judge("rewardmap/planning", standing, extra=extra("Museum", "Museum", 0))[1]["route"] == 1.0
    assert judge("rewardmap/planning-strict", standing, extra=extra("Museum", "Museum", 0))[1]["route"] == 0.0
    small = DIRECT.replace("Line 1", "line 1")
    assert judge("rewardmap/planning", small, extra=extra("Museum", "Market", 0))[1]["route"] == 0.0
    assert judge("rewardmap/planning-strict", small, extra=extra("Museum", "Market", 0))[1]["route"] == 1.0


def test_what_follows_the_arrival_stop_is_part_of_its_name() -> None:
    given = extra("Museum", "Market", 0)
    assert judge("rewardmap/planning", DIRECT + "That is all.", extra=given)[1]["route"] == 0.0
    assert judge("rewardmap/planning-strict", DIRECT + "That is all.", extra=given)[1]["route"] == 1.0


def test_sections_without_labels_are_passed_over() -> None:
    given = extra("Museum", "Market", 0)
    assert judge("rewardmap/planning", "I look.\n--\n" + DIRECT, extra=given)[1]["route"] == 1.0
    assert judge("rewardmap/planning-strict", "I look.\n--\n" + DIRECT, extra=given)[1]["route"] == 0.0


@pytest.mark.parametrize(
    ("name", "given", "gold", "right"),
    [
        ("true-false", "\\boxed{Yes}", "yes", 1),
        ("true-false", "\\boxed{\\text{yes}}", "yes", 0),
        ("true-false", "So the answer is yes. Truly.", "yes", 1),
        ("true-false", "The answer is No", "no", 1),
        ("true-false", "yes", "yes", 1),
        ("true-false", "", "yes", 0),
        ("counting", "\\boxed{3} or \\boxed{7}", "7", 1),
        ("counting", "\\boxed{n = 7}", "7", 1),
        ("counting", "\\boxed{7 km}", "7", 1),
        ("counting", "\\boxed{7.0}", "7", 0),
        ("counting", "the answer is 7", "7", 1),
        ("options", "\\boxed{B}", "1", 1),
        ("options", "\\boxed{B}", "B", 1),
        ("options", "\\boxed{1}", "1", 0),
        ("options", "\\boxed{E}", "1", 0),
    ],
)
def test_the_released_code_reads_answers_its_own_way(name: str, given: str, gold: str, right: int) -> None:
    reward, _ = judge(f"rewardmap/{name}", given, answer=gold, extra=HARD)
    assert reward == 15.0 * right


@pytest.mark.parametrize(
    ("name", "given", "gold"),
    [
        ("true-false", "\\boxed{\\text{yes}}", "yes"),
        ("counting", "\\boxed{7.0}", "7"),
        ("options", "\\boxed{(B)}", "B"),
    ],
)
def test_the_strict_recipes_read_what_the_box_says(name: str, given: str, gold: str) -> None:
    assert judge(f"rewardmap/{name}-strict", given, answer=gold, extra=HARD)[0] == 15.0


@pytest.mark.parametrize(("name", "gold"), [("true-false", "maybe"), ("options", "E"), ("counting", "many")])
def test_a_gold_answer_of_another_type_is_an_item_error(name: str, gold: str) -> None:
    with pytest.raises(Fault) as fault:
        judge(f"rewardmap/{name}", "\\boxed{yes}", answer=gold, extra=HARD)
    assert fault.value.code is Code.REFERENCE_UNPARSABLE
