"""`visreward recipes`: the recipes that are installed, or those of a running service."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visreward.cli.command import Command, CommandError
from visreward.cli.service import add_service_arguments, open_client
from visreward.cli.tables import print_json, print_table

COLUMNS = ("name", "summary", "needs")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=("list", "show"), default="list", help="list all (default), or show one"
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the recipe to show")
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="FOLDER",
        action="append",
        default=[],
        help="read the recipes of this folder too; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print JSON: a list, or one object with show")
    add_service_arguments(parser)


def run(args: Namespace) -> int:
    if (args.action == "show") != (args.name is not None):
        raise CommandError(
            "Write `visreward recipes` for all of them, `visreward recipes show NAME` for one."
        )
    if args.action == "show":
        show(fetch_one(args) if args.url else load_one(args.folder, args.name), as_json=args.json)
        return 0
    recipes = fetch_all(args) if args.url else load_all(args.folder)
    if args.json:
        print_json(recipes)
    else:
        print_table(map(to_row, recipes), COLUMNS)
    return 0


def to_row(recipe: dict[str, Any]) -> dict[str, str]:
    """Return a recipe's line of the table: its paper under the summary, one need a line."""
    about = filter(None, (recipe["summary"], recipe["paper"]))
    return {"name": recipe["name"], "summary": "\n".join(about), "needs": "\n".join(recipe["needs"])}


def load_all(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the installed recipes and those of `folders`, by name."""
    from visreward_service.recipes import load_recipes
    from visreward_service.recipes.errors import RecipeError

    try:
        recipes = load_recipes(folders)
    except RecipeError as error:
        raise CommandError(str(error)) from error
    return [
        {
            "name": recipe.name,
            "paper": recipe.paper,
            "summary": recipe.summary,
            "profile": recipe.profile,
            "needs": list(recipe.needs),
            "formula": recipe.formula,
            "steps": list(recipe.steps),
            "example": recipe.example,
            "quirks": list(recipe.quirks),
            "source": recipe.source,
        }
        for _, recipe in sorted(recipes.items())
    ]


def load_one(folders: Sequence[Path], name: str) -> dict[str, Any]:
    """Return one installed recipe; raise CommandError, with near names, where there is none of that name."""
    from visreward_service.recipes.errors import find_nearest, suggest

    recipes = {recipe["name"]: recipe for recipe in load_all(folders)}
    if name not in recipes:
        raise CommandError(f"There is no recipe {name!r}{suggest(find_nearest(name, recipes))}.")
    return recipes[name]


def fetch_all(args: Namespace) -> list[dict[str, Any]]:
    """Return what the service at `--url` says of its recipes."""
    with open_client(args) as client:
        recipes: list[dict[str, Any]] = client.recipes()
    return recipes


def fetch_one(args: Namespace) -> dict[str, Any]:
    """Return what the service at `--url` says of one recipe."""
    with open_client(args) as client:
        recipe: dict[str, Any] = client.recipe(args.name)
    return recipe


def show(recipe: dict[str, Any], *, as_json: bool) -> None:
    """Print one recipe: its file for people, all that is known of it for programs."""
    if as_json:
        print_json(recipe)
    else:
        print(recipe["source"].rstrip("\n"))


COMMAND = Command(
    name="recipes",
    summary="List recipes, or show one.",
    add_arguments=add_arguments,
    run=run,
    extra="service",
)
