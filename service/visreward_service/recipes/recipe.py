"""A recipe: pieces, terms, one expression, steps of the group; and the same bound to a service's models.

A `Recipe` is what was written, checked for syntax. `bind` builds its scorers and gives the `BoundRecipe` that
the engine runs. Neither reads files nor does any work of a model.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from visreward.protocol import Item, Limits, RecipeSpec
from visreward_service.recipes.check import Compiled, check_spec
from visreward_service.recipes.errors import RecipeError
from visreward_service.recipes.expression import Expression
from visreward_service.recipes.extract import Extraction
from visreward_service.recipes.lines import find_line
from visreward_service.recipes.steps import REWARD, Member, Settled, Steps, run_steps
from visreward_service.recipes.terms import BoundTerm, TermFault, build_terms
from visreward_service.scorers import find_scorers
from visreward_service.scorers.base import Catalog, ModelFacts, Scorer, Subject
from visreward_service.scorers.patterns import LIMIT_SECONDS

V = TypeVar("V")

QUICK_CHARS = 400
"""Formulas of a recipe that are longer together take time that counts."""


@dataclass(frozen=True, slots=True)
class BoundRecipe:
    """A recipe with its scorers built. It holds no state of any item."""

    name: str
    terms: tuple[BoundTerm, ...]
    """In the order in which their values are computed: a term stands behind those that its value reads."""
    names: tuple[str, ...]
    """The terms' names in the order of the recipe."""
    expression: Expression
    extraction: Extraction
    steps: Steps
    needs: tuple[str, ...]
    """Fields of an item that the recipe reads, sorted, such as `completion_tokens` or `reference.answer`."""
    models: tuple[str, ...]
    """Models that the recipe asks for encodings, sorted."""
    quick: bool
    """Whether an item costs microseconds, whatever it holds."""

    def subject(self, item: Item) -> Subject:
        """Return the item with its pieces, cut when a scorer first reads them and kept."""
        return Subject(item, self.extraction.cut(item))

    def reward(self, parts: Mapping[str, float | None]) -> float:
        """Return the reward of the terms' values. Raise `Fault` where it is no finite number."""
        return self.expression.evaluate(parts)

    def settle(self, members: Sequence[Member | None], groups: Sequence[Sequence[int]]) -> Settled:
        """Return what the steps of the group make of scored items; None stands for an item that failed.

        `groups` holds the places of each group's items; each item stands in one group.
        """
        return run_steps(self.steps, members, groups)


@dataclass(frozen=True)
class Recipe:
    """A recipe as written, with its expressions and extractors compiled."""

    name: str
    spec: RecipeSpec
    compiled: Compiled
    summary: str = ""
    paper: str | None = None
    """Such as `arXiv:2509.13031`."""
    code: str | None = None
    """The official code, as `repository@commit`."""
    profile: str | None = None
    """`paper` gives what the official code gives; `strict` mends its quirks."""
    quirks: tuple[str, ...] = ()
    """For `paper`, oddities that are reproduced and deviations that are not; for `strict`, what is mended."""
    example: Mapping[str, Any] | None = None
    """Fields of an item to try the recipe with."""
    source: str = ""
    """The text of the recipe file."""
    file: Path | None = None
    lines: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_spec(
        cls,
        spec: RecipeSpec,
        *,
        max_chars: int = Limits().max_recipe_chars,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> "Recipe":
        """Return the recipe written in a request. Raise `RecipeError` with the path of the field at fault."""
        try:
            source = spec.model_dump_json(by_alias=True, exclude_unset=True)
        except ValueError:
            raise RecipeError("the recipe is nested too deeply") from None
        if len(source) > max_chars:
            raise RecipeError(f"the recipe is longer than {max_chars} characters")
        return cls("inline", spec, check_spec(spec, limit_seconds), source=source)

    @property
    def formula(self) -> str:
        """The reward expression, and the steps of the group that change what it gives."""
        return "; ".join((self.compiled.reward.text, *self._describe_steps(changing=True)))

    @property
    def steps(self) -> tuple[str, ...]:
        """Each step of the group with its parameters, such as `filter (low = 0.01)`."""
        return self._describe_steps(changing=False)

    def _describe_steps(self, *, changing: bool) -> tuple[str, ...]:
        named = zip(self.spec.group.items(), self.compiled.steps, strict=True)
        return tuple(
            f"{name} ({', '.join(f'{key} = {value}' for key, value in given.items())})" if given else name
            for (name, given), step in named
            if step.changes_rewards or not changing
        )

    @property
    def _rewarded(self) -> set[str]:
        """The terms that the reward is made of: by its expression, and by steps that change it."""
        formulas = (
            formula for step in self.compiled.steps if step.changes_rewards for formula in step.formulas
        )
        return {*self.compiled.reward.names, *(name for one in formulas for name in one.names)} - {REWARD}

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """Fields of an item that the recipe reads, sorted; no model has to be there to know it."""
        return self.bind(ASSUMED).needs

    def bind(self, catalog: Catalog, scorers: Mapping[str, type[Scorer[Any]]] | None = None) -> BoundRecipe:
        """Return the recipe with its scorers built.

        Raise `RecipeError` for an unknown scorer, parameter, model, piece or name and for a cycle of terms.
        """
        known = find_scorers() if scorers is None else scorers
        mine = replace(catalog, pieces=self.compiled.extraction.names)
        try:
            terms = build_terms(self.spec.terms, self.compiled.values, self._rewarded, mine, known)
        except TermFault as fault:
            raise self.fault(fault.message, fault.path, fault.nearest) from None
        pieces = frozenset[str]().union(*(term.scorer.pieces for term in terms))
        needs = frozenset[str]().union(*(term.scorer.needs | term.scorer.reads for term in terms))
        needs |= self.compiled.extraction.roots(pieces) - {"completion"}
        return BoundRecipe(
            name=self.name,
            terms=terms,
            names=tuple(self.spec.terms),
            expression=self.compiled.reward,
            extraction=self.compiled.extraction,
            steps=self.compiled.steps,
            needs=tuple(sorted(needs)),
            models=tuple(sorted(frozenset[str]().union(*(term.scorer.models for term in terms)))),
            quick=self._is_quick(terms),
        )

    def _is_quick(self, terms: Sequence[BoundTerm]) -> bool:
        """Whether scorers, formulas and groups have little to do."""
        formulas = [self.compiled.reward, *(term.expression for term in terms if term.expression is not None)]
        short = sum(len(formula.text) for formula in formulas) <= QUICK_CHARS
        return short and all(term.scorer.quick for term in terms) and not self.compiled.steps

    def fault(self, message: str, path: str, nearest: tuple[str, ...] = ()) -> RecipeError:
        """Return an error that says where in the recipe it is."""
        return RecipeError(message, self.file, find_line(self.lines, path), path=path, nearest=nearest)


class _Every(Mapping[str, V]):
    """A mapping that has every name."""

    def __init__(self, value: V) -> None:
        self.value = value

    def __getitem__(self, name: str) -> V:
        return self.value

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


_COUNT: Callable[[str], int] = len
ASSUMED = Catalog(
    models=_Every(ModelFacts(frozenset({"pooled", "dense"}), frozenset({"short", "long", "box"}), 1.0, 0.0)),
    tokenizers=_Every(_COUNT),
)
"""A catalog that has every model and tokenizer, to check a recipe before any model is loaded."""
