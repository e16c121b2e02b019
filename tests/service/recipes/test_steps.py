"""The `[group]` table of a recipe: what its steps make of a group, and where a wrong one is wrong."""

from pathlib import Path
from typing import Any

import pytest

from tests.service.recipes.scoring import bind
from visreward.protocol import Code, RecipeSpec
from visreward_service.recipes import Recipe, RecipeError, read_recipe
from visreward_service.recipes.steps import STEPS, Member
from visreward_service.scorers.base import Fault

BASE = """name = "lab/group"
summary = "Two given numbers."

[terms.right]
scorer = "given"
name = "right"
low = 0.0
high = 1.0

[terms.seen]
scorer = "given"
name = "seen"
low = 0.0

[reward]
expression = "right"
"""


def settle(table: str, *items: tuple[float, float | None] | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return rewards and facts of one group; an item is (right, seen), None one that failed."""
    recipe = bind(read_recipe(BASE + table))
    members = [
        None if item is None else Member({"right": item[0], "seen": item[1]}, item[0]) for item in items
    ]
    settled = recipe.settle(members, [range(len(members))])
    (facts,) = settled.facts
    return settled.rewards, dict(facts)


def test_the_pass_rate_is_that_of_the_items_that_were_scored() -> None:
    rewards, facts = settle("[group.pass_rate]\n", (1.0, 0.0), (0.0, 0.0), None, (1.0, 0.0))
    assert facts == {"pass_rate": pytest.approx(2 / 3)}
    assert rewards == (1.0, 0.0, None, 1.0)
    assert settle("[group.pass_rate]\nvalue = 'seen'\nthreshold = 0.5\n", (0.0, 0.6))[1] == {"pass_rate": 1.0}
    assert settle("[group.pass_rate]\n", None, None)[1] == {"pass_rate": None}


def test_a_question_is_classed_by_all_its_rollouts_or_not_at_all() -> None:
    table = "[group.classify]\nrollouts = 2\n"
    assert settle(table, (1.0, 0.0), (1.0, 0.0))[1] == {"difficulty": "easy"}
    assert settle(table, (1.0, 0.0), (0.0, 0.0))[1] == {"difficulty": "medium"}
    assert settle(table, (0.0, 0.0), (0.0, 0.0))[1] == {"difficulty": "hard"}
    assert settle(table, (0.0, 0.0), (0.0, 0.0), None)[1] == {"difficulty": None}
    assert settle(table, (0.0, 0.0))[1] == {"difficulty": None}
    assert settle(table + "short = 'count'\n", (1.0, 0.0))[1] == {"difficulty": "medium"}


def test_a_filter_keeps_a_group_by_the_mean_of_what_was_scored() -> None:
    assert settle("[group.filter]\n", (1.0, 0.0), (0.0, 0.0), None)[1] == {"keep": True}
    assert settle("[group.filter]\n", (1.0, 0.0), None)[1] == {"keep": False}
    assert settle("[group.filter]\n", None)[1] == {"keep": False}


def test_a_filter_of_several_values_is_content_with_one() -> None:
    table = "[group.filter]\nvalue = ['right', 'seen']\n"
    assert settle(table, (1.0, 1.0), (1.0, 0.0))[1] == {"keep": True}
    assert settle(table, (1.0, 1.0), (1.0, 1.0))[1] == {"keep": False}


def test_a_gate_reports_its_scale_and_leaves_rewards_alone() -> None:
    table = "[group.gate]\nvalue = 'seen'\n"
    assert settle(table, (1.0, 0.25), (0.5, 0.5)) == ((1.0, 0.5), {"gate": True, "scale": 0.375})
    assert settle(table, (1.0, 0.0)) == ((1.0,), {"gate": False, "scale": 0.0})
    assert settle(table, (1.0, None), None) == ((1.0, None), {"gate": None, "scale": None})


def test_a_gate_scales_rewards_where_the_recipe_says_so() -> None:
    table = "[group.gate]\nvalue = 'seen'\napply = 'rewards'\ncap = 1.0\n"
    assert settle(table, (1.0, 0.25), (0.5, 0.5), None)[0] == (0.375, 0.1875, None)
    assert settle(table, (1.0, 0.0), (0.5, 0.0))[0] == (0.0, 0.0)


def test_a_gate_without_anything_seen_is_an_error_and_not_a_reward_of_0() -> None:
    table = "[group.gate]\nvalue = 'seen'\napply = 'rewards'\n"
    (fault, failed), facts = settle(table, (1.0, None), None)
    assert isinstance(fault, Fault)
    assert fault.code is Code.NOT_APPLICABLE
    assert failed is None
    assert facts == {"gate": None, "scale": None}


def test_a_weight_multiplies_rewards_and_is_reported_where_items_agree() -> None:
    table = "[group.weigh]\nweight = 'seen + 0.5'\n"
    assert settle(table, (1.0, 1.0), (0.5, 1.0), None) == ((1.5, 0.75, None), {"weight": 1.5})
    assert settle(table, (1.0, 1.0), (1.0, 2.0)) == ((1.5, 2.5), {"weight": None})


def test_an_item_without_a_weight_has_an_error_and_its_siblings_have_rewards() -> None:
    (fault, reward), facts = settle("[group.weigh]\nweight = 'seen'\n", (1.0, None), (1.0, 2.0))
    assert isinstance(fault, Fault)
    assert (fault.code, reward, facts) == (Code.NOT_APPLICABLE, 2.0, {"weight": 2.0})


def test_a_weight_beyond_a_double_is_an_error() -> None:
    (fault,), _ = settle("[group.weigh]\nweight = 'seen*1e308'\n", (1.0, 1e300))
    assert isinstance(fault, Fault)
    assert fault.code is Code.NOT_FINITE
    table = "[group.tame]\nweights = { seen = 10.0 }\nthreshold = 9.0\n"
    (fault,), _ = settle(table, (1.0, 1.7e308))
    assert isinstance(fault, Fault)
    assert fault.code is Code.NOT_FINITE


def test_a_tamed_sum_takes_the_place_of_the_reward() -> None:
    table = "[group.tame]\nweights = { right = 1.0, seen = 0.5 }\n"
    rewards, facts = settle(table, (0.9, 0.1), (1.0, 1.0), None, (1.0, 4.0))
    assert facts == {"tamed": ["seen"]}
    assert rewards == (
        pytest.approx(0.9476550899),
        pytest.approx(1.3465735903),
        None,
        pytest.approx(1.8047189562),
    )


def test_an_item_without_a_component_has_an_error() -> None:
    (fault, reward), _ = settle(
        "[group.tame]\nweights = { right = 1.0, seen = 1.0 }\n", (1.0, None), (0.5, 2.0)
    )
    assert isinstance(fault, Fault)
    assert (fault.code, reward) == (Code.NOT_APPLICABLE, 2.5)


def test_variation_is_measured_over_the_group_or_over_the_request() -> None:
    members = [Member({"right": 1.0, "seen": float(seen)}, 1.0) for seen in (1, 1, 9, 9)]
    groups = [[0, 1], [2, 3]]
    table = "[group.tame]\nweights = { right = 1.0, seen = 1.0 }\nthreshold = 0.5\n"
    alone = bind(read_recipe(BASE + table)).settle(members, groups)
    assert [facts["tamed"] for facts in alone.facts] == [[], []]
    assert alone.rewards == (2.0, 2.0, 10.0, 10.0)
    together = bind(read_recipe(BASE + table + "over = 'request'\n")).settle(members, groups)
    assert [facts["tamed"] for facts in together.facts] == [["seen"], ["seen"]]
    assert together.rewards[0] == pytest.approx(1.6931471806)


def test_steps_run_as_written_and_read_the_reward_of_those_before() -> None:
    weigh, count = "[group.weigh]\nweight = '0.5'\n", "[group.pass_rate]\n"
    assert settle(weigh + count, (1.0, 0.0))[1] == {"weight": 0.5, "pass_rate": 0.0}
    assert settle(count + weigh, (1.0, 0.0))[1] == {"weight": 0.5, "pass_rate": 1.0}


def test_an_item_that_a_step_fails_is_no_part_of_the_steps_behind_it() -> None:
    table = "[group.weigh]\nweight = 'seen'\n[group.pass_rate]\nvalue = 'right'\n"
    _, facts = settle(table, (1.0, None), (0.0, 1.0))
    assert facts["pass_rate"] == 0.0


def test_the_order_of_items_changes_nothing() -> None:
    table = "[group.tame]\nweights = { right = 0.3, seen = 0.7 }\n[group.pass_rate]\n"
    items = [(0.1 * n, 1.0 / (n + 1)) for n in range(9)]
    rewards, facts = settle(table, *items)
    turned, same = settle(table, *reversed(items))
    assert turned == tuple(reversed(rewards))
    assert facts == same


def test_a_term_that_only_a_changing_step_reads_enters_the_reward() -> None:
    def entering(table: str) -> dict[str, bool]:
        return {term.name: term.enters_reward for term in bind(read_recipe(BASE + table)).terms}

    assert entering("[group.weigh]\nweight = 'seen'\n") == {"right": True, "seen": True}
    assert entering("[group.gate]\nvalue = 'seen'\napply = 'rewards'\n")["seen"]
    assert not entering("[group.gate]\nvalue = 'seen'\n")["seen"]
    assert not entering("[group.filter]\nvalue = 'seen'\n")["seen"]


@pytest.mark.parametrize(
    ("table", "line", "message"),
    [
        ("[group.fillter]\nlow = 0.1\n", 17, 'unknown group step "fillter"; nearest: filter'),
        ("[group.zebra]\n", 17, "there are classify, filter, gate, pass_rate, tame, weigh"),
        ("[group.filter]\nhigh = 0.9\nlaw = 0.1\n", 19, 'unknown parameter "law"; nearest: low'),
        ("[group.filter]\nvalue = 'rihgt'\n", 18, 'unknown name "rihgt" at column 1; nearest: right'),
        ("[group.filter]\nvalue = ['reward', 'sen']\n", 18, 'unknown name "sen"'),
        ("[group.weigh]\nweight = 'seen +'\n", 18, "weight: "),
        ("[group.gate]\ncap = 0.5\n", 17, 'needs the parameter "value"'),
        ("[group.classify]\nrollouts = 0\n", 18, "rollouts: input should be greater"),
        ("[group.tame]\nweights = { sen = 1.0 }\n", 18, 'weights: unknown name "sen"'),
        ("[group.tame]\nweights = {}\n", 18, "weights: "),
        ("[group]\nfilter = 3\n", 18, "group.filter: "),
    ],
)
def test_a_wrong_step_is_refused_with_file_line_and_nearest_names(
    table: str, line: int, message: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(BASE + table, Path("lab/group.toml"))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"group.toml:{line}: ")


def test_a_term_may_not_be_called_reward_beside_steps() -> None:
    text = BASE.replace("terms.seen", "terms.reward")
    assert read_recipe(text).name == "lab/group"
    with pytest.raises(RecipeError, match="rename the term"):
        read_recipe(text + "[group.filter]\n")


def test_an_inline_recipe_has_steps_too() -> None:
    written = {"terms": {"right": {"scorer": "given", "name": "right"}}, "reward": "right"}
    spec = RecipeSpec.model_validate({**written, "group": {"filter": {"low": 0.5}}})
    assert [type(step) for step in Recipe.from_spec(spec).compiled.steps] == [STEPS["filter"]]
    with pytest.raises(RecipeError) as caught:
        Recipe.from_spec(RecipeSpec.model_validate({**written, "group": {"gait": {}}}))
    assert (caught.value.path, caught.value.nearest) == ("group.gait", ("gate",))
