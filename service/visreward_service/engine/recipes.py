"""The recipes a service answers with: those loaded at start, and those written inside requests."""

import threading
from collections.abc import Mapping
from difflib import get_close_matches

from cachetools import LRUCache

from visreward.protocol import Code
from visreward_service.engine.faults import RequestFault
from visreward_service.engine.written import MAX_KEPT, Written, WrittenRecipes
from visreward_service.recipes import BoundRecipe, Recipe, RecipeError
from visreward_service.scorers.base import Catalog


class RecipeBook:
    """Bound recipes by name. Inline recipes are bound once and kept while they are in use."""

    def __init__(self, recipes: Mapping[str, Recipe], catalog: Catalog, *, max_inline_chars: int) -> None:
        """Bind all recipes. Raises `RecipeError` where one names what the catalog lacks."""
        self.recipes = recipes
        self.written = WrittenRecipes(max_chars=max_inline_chars)
        """Those that requests bring."""
        self._catalog = catalog
        self._max_inline_chars = max_inline_chars
        self._bound = {name: recipe.bind(catalog) for name, recipe in recipes.items()}
        self._inline: LRUCache[bytes, BoundRecipe] = LRUCache(MAX_KEPT)
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Load what the first items of the loaded recipes would have to wait for."""
        for bound in self._bound.values():
            for term in bound.terms:
                term.scorer.warm()

    def get(self, recipe: str | Written) -> BoundRecipe:
        """Return the bound recipe. Raises `RequestFault` for an unknown name or a wrong inline recipe."""
        bound = self.find(recipe)
        if bound is not None:
            return bound
        if isinstance(recipe, Written):
            return self._bind_inline(recipe)
        nearest = tuple(get_close_matches(recipe[:256], self._bound, n=3, cutoff=0.4))
        hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
        message = f"no recipe of that name is loaded{hint}"
        raise RequestFault(Code.UNKNOWN_RECIPE, message, field="recipe", nearest=nearest)

    def find(self, recipe: str | Written) -> BoundRecipe | None:
        """Return the bound recipe where it is bound already."""
        if isinstance(recipe, str):
            return self._bound.get(recipe)
        with self._lock:
            return self._inline.get(recipe.key)

    def _bind_inline(self, written: Written) -> BoundRecipe:
        try:
            bound = Recipe.from_spec(written.spec, max_chars=self._max_inline_chars).bind(self._catalog)
        except RecipeError as error:
            field = error.path or "terms"
            raise RequestFault(
                Code.INVALID_RECIPE, error.message, field=field, nearest=error.nearest
            ) from None
        with self._lock:
            self._inline[written.key] = bound
        return bound
