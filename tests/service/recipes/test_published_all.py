"""What holds for every published recipe: a source, an example, quirks, and nothing for empty answers."""

import pytest

from tests.service.recipes.published import bound, recipes
from tests.service.recipes.scoring import score
from visreward.protocol import Code, Item
from visreward_service.scorers.base import Fault

SYSTEMS = (
    "cogflow",
    "curr-reft",
    "dapo",
    "ergo",
    "pearl",
    "perception-r1",
    "q-insight",
    "racro",
    "rewardmap",
    "v-triune",
    "vicrit",
    "vision-sr1",
    "visual-rft",
    "vlm-r1",
    "vppo",
)
NAMES = sorted(name for name in recipes() if name.partition("/")[0] in SYSTEMS)
SECOND_HAND = ("racro/", "vision-sr1/", "ergo/", "perception-r1/", "vlm-r1/llm")
"""Recipes that pay for what the trainer brings along, whatever the completion is."""
HOLES = ("visual-rft/classification", "curr-reft/stage3-math", "curr-reft/stage3-vqa")
"""Paper profiles in which an empty answer is a part of every gold answer, or is not read, and so right."""
PENALTIES = ("vlm-r1/repetition", "vlm-r1/repetition-strict")
"""Recipes that only take away."""
EMPTY = ("", " ", "<answer></answer>", "<think></think><answer></answer>", "\\boxed{}", "\u200b", "<answer>")


def item(name: str, **changes: object) -> Item:
    example = recipes()[name].example
    assert example is not None
    return Item.model_validate({"id": "one", **example, **changes})


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_has_a_source_quirks_and_an_example_that_earns_something(name: str) -> None:
    recipe = recipes()[name]
    assert recipe.paper or recipe.code
    assert recipe.quirks
    assert recipe.summary.endswith(".")
    reward, _, _ = score(bound(name), item(name))
    assert reward >= 0 if name in PENALTIES else reward > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_strict_recipe_says_that_it_may_not_carry_the_papers_name(name: str) -> None:
    recipe = recipes()[name]
    assert (recipe.profile == "strict") == name.endswith("-strict")
    assert any("Not to be reported as" in quirk for quirk in recipe.quirks) == name.endswith("-strict")


def is_accuracy(term: str) -> bool:
    return term.startswith("accuracy") and term != "accuracy_ratio"


@pytest.mark.parametrize(
    "name", [name for name in NAMES if not name.startswith(SECOND_HAND) and name not in HOLES]
)
@pytest.mark.parametrize("completion", EMPTY)
def test_an_empty_answer_earns_no_accuracy(name: str, completion: str) -> None:
    reward, parts, _ = score(bound(name), item(name, completion=completion))
    assert all(value is None or value <= 0 for term, value in parts.items() if is_accuracy(term))
    assert reward <= 1.0


NONSENSE = ("[" * 5000, "<answer>" * 500, "\\boxed{" * 1000, "(1,2),(" * 1500, "\x1f\u202e" * 500)


@pytest.mark.parametrize("name", NAMES)
def test_a_completion_of_nonsense_is_scored_or_runs_into_the_time_limit(name: str) -> None:
    codes = set()
    for completion in NONSENSE:
        try:
            score(bound(name), item(name, completion=completion))
        except Fault as fault:
            codes.add(fault.code)
    assert codes <= {Code.RULE_TIMEOUT}
