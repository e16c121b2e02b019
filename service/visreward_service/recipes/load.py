"""Reading recipe files: those of this package, and those of folders that the operator names."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from visreward.protocol import ExtractSpec, RecipeSpec
from visreward.protocol.fields import Json, Text
from visreward_service.recipes.check import check_spec
from visreward_service.recipes.errors import RecipeError, find_nearest, suggest
from visreward_service.recipes.lines import find_line, index_lines
from visreward_service.recipes.recipe import Recipe
from visreward_service.scorers.patterns import LIMIT_SECONDS

OWN_FOLDER = Path(__file__).parent / "files"
MAX_FILE_BYTES = 200_000


class RecipeFile(RecipeSpec):
    """A recipe file as written."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*$", max_length=128)]
    summary: Text
    paper: Text | None = None
    code: Text | None = None
    profile: Literal["paper", "strict"] | None = None
    quirks: list[Text] = []
    example: dict[str, Json] | None = None


def load_recipes(folders: Sequence[Path] = (), *, limit_seconds: float = LIMIT_SECONDS) -> dict[str, Recipe]:
    """Return the recipes of this package and of all `*.toml` files under the folders, by name.

    `limit_seconds` bounds the time that the patterns of one item's extractors may take together. Raise
    `RecipeError` for the first file that is wrong, for a missing folder and for a name given twice.
    """
    recipes: dict[str, Recipe] = {}
    for folder in (OWN_FOLDER, *folders):
        if not folder.is_dir():
            raise RecipeError(f"no such folder of recipes: {folder}")
        for file in sorted(folder.rglob("*.toml")):
            recipe = read_recipe(_read_text(file), file, limit_seconds=limit_seconds)
            if recipe.name in recipes:
                message = f'the name "{recipe.name}" is taken by {recipes[recipe.name].file}'
                raise recipe.fault(message, "name")
            recipes[recipe.name] = recipe
    return dict(sorted(recipes.items()))


def _read_text(file: Path) -> str:
    if file.stat().st_size > MAX_FILE_BYTES:
        raise RecipeError(f"larger than {MAX_FILE_BYTES} bytes", file)
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise RecipeError("not UTF-8", file) from None


def read_recipe(text: str, file: Path | None = None, *, limit_seconds: float = LIMIT_SECONDS) -> Recipe:
    """Return the recipe in a TOML text. Raise `RecipeError` with file and line."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at line (\d+), column \d+\)", str(error))
        line = int(place[1]) if place else None
        raise RecipeError(f"not TOML: {str(error).partition(' (at ')[0]}", file, line) from None
    lines = index_lines(text)
    try:
        written = RecipeFile.model_validate(table)
        compiled = check_spec(written, limit_seconds)
    except ValidationError as error:
        message, path = _explain(error.errors(include_url=False, include_input=False))
        raise RecipeError(message, file, find_line(lines, path), path=path) from None
    except RecipeError as error:
        line = find_line(lines, error.path)
        raise RecipeError(error.message, file, line, path=error.path, nearest=error.nearest) from None
    recipe = Recipe(
        name=written.name,
        spec=written,
        compiled=compiled,
        summary=written.summary,
        paper=written.paper,
        code=written.code,
        profile=written.profile,
        quirks=tuple(written.quirks),
        example=written.example,
        source=text,
        file=file,
        lines=lines,
    )
    _ = recipe.needs  # builds every scorer, so that a wrong parameter is found before any model is loaded
    return recipe


def _explain(errors: list[ErrorDetails]) -> tuple[str, str]:
    """Return message and path of one validation error: of an unknown field before that of a missing one."""
    error = min(errors, key=lambda one: one["type"] != "extra_forbidden")
    path = ".".join(str(part) for part in error["loc"] if part not in ("str", "RewardSpec"))
    if error["type"] == "extra_forbidden":
        table, _, name = path.rpartition(".")
        known = ExtractSpec.model_fields if table.startswith("extract") else RecipeFile.model_fields
        fields = {field.alias or key for key, field in known.items()}
        return f'unknown field "{path}"{suggest(find_nearest(name, fields))}', path
    if error["type"] == "missing":
        return f'needs the field "{path}"', path
    message = error["msg"].removeprefix("Value error, ")
    return f"{path}: {message[:1].lower()}{message[1:]}", path
