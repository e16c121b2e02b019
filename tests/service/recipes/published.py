"""Scores one completion with a recipe of this package, rules run in this process."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.service.recipes.scoring import Parts, bind, score
from visreward.protocol import Item
from visreward_service.recipes import BoundRecipe, Recipe, load_recipes


@cache
def recipes() -> Mapping[str, Recipe]:
    return load_recipes()


@cache
def bound(name: str) -> BoundRecipe:
    return bind(recipes()[name])


def judge(name: str, completion: str, *, tokens: int | None = None, **reference: Any) -> tuple[float, Parts]:
    """Return reward and parts; `reference` are fields of the item's reference."""
    fields = {"id": "one", "completion": completion, "completion_tokens": tokens, "reference": reference}
    reward, parts, _ = score(bound(name), Item.model_validate(fields))
    return reward, parts


def part(name: str, completion: str, term: str, **reference: Any) -> float:
    """Return one part, which must apply."""
    value = judge(name, completion, **reference)[1][term]
    assert value is not None
    return value


def boxes(*given: tuple[list[float], str]) -> list[dict[str, Any]]:
    """Return reference boxes."""
    return [{"box": [float(number) for number in box], "label": label} for box, label in given]
