"""The page of scorers and steps with their parameters, and of recipes with their quirks, made of the code.

`python -m visreward_service.recipes.catalogue > docs/catalogue.md` writes it; a test compares the two.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from visreward_service.recipes.load import load_recipes
from visreward_service.recipes.recipe import Recipe
from visreward_service.recipes.steps import STEPS
from visreward_service.scorers import SCORERS
from visreward_service.scorers.base import Params

HEAD = """# Scorers and recipes

Made by `python -m visreward_service.recipes.catalogue`; [recipes.md](recipes.md) says how they fit together.
"""


def render() -> str:
    """Return the page as Markdown."""
    lines = [HEAD, "## Scorers", ""]
    for name, scorer in sorted(SCORERS.items()):
        lines += _describe(name, scorer.summary, scorer.Params)
    lines += ["## Steps of a group", ""]
    for name, step in sorted(STEPS.items()):
        lines += _describe(name, step.summary, step.Params)
    lines += ["## Recipes", ""]
    for recipe in load_recipes().values():
        lines += _describe_recipe(recipe)
    return "\n".join(lines).rstrip() + "\n"


def _describe(name: str, summary: str, params: type[Params]) -> Iterator[str]:
    yield f"### `{name}`\n"
    yield f"{_sentence(summary)}\n"
    schema = params.model_json_schema(by_alias=True)
    if not params.model_fields:
        return
    yield "| parameter | type | default | |"
    yield "|---|---|---|---|"
    for field, about in schema["properties"].items():
        default = "required" if field in schema.get("required", ()) else _code(about.get("default"))
        yield f"| `{field}` | {_kind(about, schema)} | {default} | {_cell(about.get('description', ''))} |"
    yield ""


def _kind(about: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Say in a few words what values a parameter takes."""
    if "$ref" in about:
        return _kind(schema["$defs"][about["$ref"].rsplit("/", 1)[1]], schema)
    if "enum" in about:
        return ", ".join(_code(value) for value in about["enum"])
    if "const" in about:
        return _code(about["const"])
    if "anyOf" in about:
        return " or ".join(_kind(one, schema) for one in about["anyOf"] if one.get("type") != "null")
    if about.get("type") == "array":
        return f"list of {_kind(about.get('items', {}), schema)}"
    return str(about.get("type", "any"))


def _describe_recipe(recipe: Recipe) -> Iterator[str]:
    yield f"### `{recipe.name}`\n"
    yield f"{_sentence(recipe.summary)}\n"
    facts = [fact for fact in (recipe.paper, recipe.code and f"code {recipe.code}", recipe.profile) if fact]
    if facts:
        yield f"{'; '.join(facts)}.\n"
    yield f"    {recipe.formula}\n"
    if recipe.steps:
        yield f"Of the group: {', '.join(f'`{step}`' for step in recipe.steps)}.\n"
    yield f"Needs {', '.join(f'`{need}`' for need in recipe.needs) or 'nothing but the completion'}.\n"
    if recipe.quirks:
        yield from (f"- {_sentence(quirk)}" for quirk in recipe.quirks)
        yield ""


def _sentence(text: str) -> str:
    folded = " ".join(text.split())
    return folded[:1].upper() + folded[1:] + ("" if folded.endswith(".") else ".")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(value: object) -> str:
    if value is None:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`".replace("|", "\\|")


if __name__ == "__main__":
    print(render(), end="")
