"""Building the steps of a `[group]` table as written: names, parameters and expressions checked."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from visreward.protocol.fields import Json
from visreward_service.recipes.errors import (
    ExpressionError,
    RecipeError,
    explain_params,
    find_nearest,
    suggest,
)
from visreward_service.recipes.expression import Expression, parse_expression
from visreward_service.recipes.steps import STEPS
from visreward_service.recipes.steps.base import REWARD, Step
from visreward_service.recipes.steps.run import Steps


def build_steps(specs: Mapping[str, Mapping[str, Json]], terms: Collection[str]) -> Steps:
    """Return the steps in the order in which they are written.

    Raise `RecipeError` whose `path` names the field at fault, such as `group.filter.low`.
    """
    if specs and REWARD in terms:
        message = f'term "{REWARD}": to the steps of the group this is the item\'s reward; rename the term'
        raise RecipeError(message, path=f"terms.{REWARD}")
    return tuple(_build_step(name, spec, terms) for name, spec in specs.items())


def _build_step(name: str, spec: Mapping[str, Json], terms: Collection[str]) -> Step[Any]:
    path = f"group.{name}"
    kind = STEPS.get(name)
    if kind is None:
        nearest = find_nearest(name, STEPS)
        known = suggest(nearest) or f"; there are {', '.join(STEPS)}"
        raise RecipeError(f'unknown group step "{name}"{known}', path=path, nearest=nearest)
    try:
        params = kind.Params.model_validate(spec)
    except ValidationError as error:
        message, field, nearest = explain_params(error, kind.Params.model_fields)
        place = f"{path}.{field}".rstrip(".")
        raise RecipeError(f'group step "{name}": {message}', path=place, nearest=nearest) from None
    return kind(params, [_parse(name, text, spec, terms) for text in kind.list_formulas(params)])


def _parse(name: str, text: str, spec: Mapping[str, Json], terms: Collection[str]) -> Expression:
    try:
        formula = parse_expression(text)
        formula.check([*terms, REWARD])
    except ExpressionError as error:
        field = next((key for key, value in spec.items() if value == text or _holds(value, text)), "")
        path = f"group.{name}.{field}".rstrip(".")
        message = f'group step "{name}": {field or "value"}: {error}'
        raise RecipeError(message, path=path, nearest=error.nearest) from None
    return formula


def _holds(value: Json, text: str) -> bool:
    return isinstance(value, list | dict) and text in value
