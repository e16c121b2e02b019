"""Checking a recipe as written: names, expressions, extractors and steps, compiled on the way.

What scorers and models there are is not known here.
"""

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from visreward.protocol import ExtractSpec, RecipeSpec
from visreward_service.recipes.errors import ExpressionError, RecipeError
from visreward_service.recipes.expression import Expression, parse_expression
from visreward_service.recipes.extract import ExtractError, Extraction, build_extraction
from visreward_service.recipes.grammar import KEYWORDS
from visreward_service.recipes.steps import Steps
from visreward_service.recipes.steps.build import build_steps
from visreward_service.scorers.patterns import LIMIT_SECONDS

MAX_TERMS = 32
TERM_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Compiled:
    """The compiled parts of a recipe."""

    extraction: Extraction
    values: Mapping[str, Expression]
    """The `value` expression of each term that has one."""
    reward: Expression
    steps: Steps
    """The steps of the group, in the order in which they are written."""


def check_spec(spec: RecipeSpec, limit_seconds: float = LIMIT_SECONDS) -> Compiled:
    """Return the compiled recipe. Raise `RecipeError` whose `path` names the field at fault."""
    if not spec.terms:
        raise RecipeError("has no terms", path="terms")
    if len(spec.terms) > MAX_TERMS:
        raise RecipeError(f"has more than {MAX_TERMS} terms", path="terms")
    values = {}
    for name, term in spec.terms.items():
        expression = _check_term(name, term)
        if expression is not None:
            values[name] = expression
    extraction = _check_extract(spec.extract, limit_seconds)
    return Compiled(extraction, values, _check_reward(spec), build_steps(spec.group, spec.terms))


def _check_term(name: str, term: dict[str, Any]) -> Expression | None:
    path = f"terms.{name}"
    if not TERM_NAME.fullmatch(name) or name in KEYWORDS or keyword.iskeyword(name):
        raise RecipeError(f'term "{name}": a name is letters, digits and underscores', path=path)
    if not isinstance(term.get("scorer"), str):
        raise RecipeError(f'term "{name}": needs a scorer', path=path)
    value = term.get("value")
    if value is None:
        return None
    if not isinstance(value, str):
        raise RecipeError(f'term "{name}": value is an expression, written as text', path=f"{path}.value")
    try:
        return parse_expression(value)
    except ExpressionError as error:
        message = f'term "{name}": value: {error}'
        raise RecipeError(message, path=f"{path}.value", nearest=error.nearest) from None


def _check_extract(specs: dict[str, ExtractSpec], limit_seconds: float) -> Extraction:
    try:
        return build_extraction(specs, limit_seconds)
    except ExtractError as error:
        path = f"extract.{error.name}.{error.field}".rstrip(".")
        raise RecipeError(str(error), path=path, nearest=error.nearest) from None


def _check_reward(spec: RecipeSpec) -> Expression:
    plain = isinstance(spec.reward, str)
    path = "reward" if plain else "reward.expression"
    try:
        expression = parse_expression(spec.reward if isinstance(spec.reward, str) else spec.reward.expression)
        expression.check(spec.terms)
    except ExpressionError as error:
        raise RecipeError(f"reward: {error}", path=path, nearest=error.nearest) from None
    return expression
