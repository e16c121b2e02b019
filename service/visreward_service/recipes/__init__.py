"""Recipes: published rewards as files, the code that reads them, and what the engine runs."""

from visreward_service.recipes.errors import RecipeError
from visreward_service.recipes.load import load_recipes, read_recipe
from visreward_service.recipes.recipe import BoundRecipe, Recipe
from visreward_service.recipes.terms import BoundTerm

__all__ = ["BoundRecipe", "BoundTerm", "Recipe", "RecipeError", "load_recipes", "read_recipe"]
