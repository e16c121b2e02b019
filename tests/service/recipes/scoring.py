"""Scoring one item with a bound recipe as the engine does, with features that a test makes up."""

import importlib
import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from visreward.protocol import Item
from visreward_service.recipes import BoundRecipe, Recipe
from visreward_service.recipes.steps import Member
from visreward_service.scorers import RULES
from visreward_service.scorers.base import (
    Catalog,
    Fault,
    ImageEncoding,
    ImageFeatures,
    ModelFacts,
    RuleCall,
    Score,
    TextEncoding,
    TextFeatures,
    Work,
)

CATALOG = Catalog(
    models={"fgclip": ModelFacts(frozenset({"pooled"}), frozenset({"short", "long"}))},
    tokenizers={"words": lambda text: len(text.split())},
)
IMAGE = "0" * 64

Parts = dict[str, float | None]


def bind(recipe: Recipe) -> BoundRecipe:
    return recipe.bind(CATALOG)


def unit_vector(cos: float) -> Any:
    """Return a vector whose cosine with (1, 0) is `cos` in float32."""
    return np.array([cos, math.sqrt(max(0.0, 1.0 - cos * cos))], dtype=np.float32)


def do(work: Work, cos_of: Callable[[str], float]) -> Any:
    """Return what a worker returns: features whose cosine with every image is `cos_of(text)`."""
    if isinstance(work, ImageEncoding):
        return ImageFeatures(np.array([1.0, 0.0], dtype=np.float32))
    if isinstance(work, TextEncoding):
        return TextFeatures(
            unit_vector(cos_of(work.text)), num_tokens=len(work.text.split()) + 2, truncated=False
        )
    assert isinstance(work, RuleCall)
    return run_rule(work)


@cache
def run_rule(work: RuleCall) -> Any:
    """Return what a rule returns, run here."""
    module, _, function = RULES[work.rule].partition(":")
    return getattr(importlib.import_module(module), function)(*work.arguments)


def score(
    recipe: BoundRecipe, item: Item, cos_of: Callable[[str], float] = lambda _: 0.0
) -> tuple[float, Parts, Mapping[str, Score]]:
    """Return reward, parts and scores of an item that is a group of its own."""
    subject = recipe.subject(item)
    parts: Parts = {}
    scores = {}
    for term in recipe.terms:
        results = {work: do(work, cos_of) for work in term.scorer.prepare(subject)}
        scores[term.name] = term.scorer.finish(subject, results)
        parts[term.name] = term.value(scores[term.name], parts)
    settled = recipe.settle([Member(parts, recipe.reward(parts))], [[0]])
    (reward,) = settled.rewards
    if isinstance(reward, Fault):
        raise reward
    assert reward is not None
    return reward, parts, scores
