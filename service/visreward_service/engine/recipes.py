"""The recipes a service answers with: those loaded at start, and those written inside requests."""

import threading
from collections.abc import Mapping
from difflib import get_close_matches

from cachetools import LRUCache

from visreward.protocol import Code, RecipeSpec
from visreward_service.engine.faults import RequestFault
from visreward_service.recipes import BoundRecipe, Recipe, RecipeError
from visreward_service.scorers.base import Catalog

MAX_INLINE_KEPT = 64


class RecipeBook:
    """Bound recipes by name. Inline recipes are bound once and kept while they are in use."""

    def __init__(self, recipes: Mapping[str, Recipe], catalog: Catalog, *, max_inline_chars: int) -> None:
        """Bind all recipes. Raises `RecipeError` where one names what the catalog lacks."""
        self.recipes = recipes
        self._catalog = catalog
        self._max_inline_chars = max_inline_chars
        self._bound = {name: recipe.bind(catalog) for name, recipe in recipes.items()}
        self._inline: LRUCache[str, BoundRecipe] = LRUCache(MAX_INLINE_KEPT)
        self._lock = threading.Lock()

    def get(self, recipe: str | RecipeSpec) -> BoundRecipe:
        """Return the bound recipe. Raises `RequestFault` for an unknown name or a wrong inline recipe."""
        if isinstance(recipe, RecipeSpec):
            return self._bind_inline(recipe)
        bound = self._bound.get(recipe)
        if bound is None:
            nearest = tuple(get_close_matches(recipe[:256], self._bound, n=3, cutoff=0.4))
            hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
            message = f"no recipe of that name is loaded{hint}"
            raise RequestFault(Code.UNKNOWN_RECIPE, message, field="recipe", nearest=nearest)
        return bound

    def _bind_inline(self, spec: RecipeSpec) -> BoundRecipe:
        try:
            key = spec.model_dump_json()
        except ValueError:
            message = "the recipe is nested too deeply"
            raise RequestFault(Code.INVALID_RECIPE, message, field="terms") from None
        with self._lock:
            bound = self._inline.get(key)
        if bound is None:
            try:
                bound = Recipe.from_spec(spec, max_chars=self._max_inline_chars).bind(self._catalog)
            except RecipeError as error:
                field = error.path or "terms"
                raise RequestFault(
                    Code.INVALID_RECIPE, error.message, field=field, nearest=error.nearest
                ) from None
            with self._lock:
                self._inline[key] = bound
        return bound
