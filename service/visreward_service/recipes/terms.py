"""The terms of a recipe: their scorers, their order by what their values read, and their values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from pydantic import ValidationError

from visreward.protocol import Code
from visreward.protocol.fields import Json
from visreward_service.recipes.errors import ExpressionError, explain_params, find_nearest, suggest
from visreward_service.recipes.expression import Expression
from visreward_service.scorers.base import Catalog, Fault, Score, Scorer

OWN_KEYS = ("scorer", "value")
"""Keys of a term that are not parameters of its scorer."""


class TermFault(ValueError):
    """What is wrong with a term, and at which path of the recipe."""

    def __init__(self, message: str, path: str, nearest: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.nearest = nearest


@dataclass(frozen=True, slots=True)
class BoundTerm:
    """A term with its scorer built."""

    name: str
    scorer: Scorer[Any]
    expression: Expression | None
    """What the value is of the scorer's outputs and of other terms; None for the first output as it is."""
    outputs: tuple[str, ...]
    others: tuple[str, ...]
    """Terms whose values `expression` reads."""
    needs: tuple[str, ...]
    """Fields without which an item has no score of the term, sorted."""
    asks_for_work: bool
    """False where the scorer's `prepare` is the one that asks for none."""
    enters_reward: bool
    """False where the term is only reported: no change of its value can change the reward."""

    def value(self, score: Score, parts: Mapping[str, float | None]) -> float | None:
        """Return the term's value of its scorer's score and of the parts computed before it.

        None where the score, or a number that the expression reads, is not applicable. Raise `Fault` where
        the value is no finite number.
        """
        if not score.applicable:
            return None
        own = score.values
        if self.expression is None:
            return self._check(own.get(self.outputs[0]))
        values = {name: self._check(own.get(name)) for name in self.outputs if name in self.expression.names}
        values.update((name, parts[name]) for name in self.others)
        try:
            return self.expression.evaluate(values)
        except Fault as fault:
            if fault.code is Code.NOT_APPLICABLE:
                return None
            raise

    def _check(self, number: float | None) -> float | None:
        if number is None:
            return None
        if not isfinite(number):
            raise Fault(Code.NOT_FINITE, f'term "{self.name}" gave no finite number')
        return float(number)


def build_terms(
    specs: Mapping[str, Mapping[str, Json]],
    values: Mapping[str, Expression],
    rewarded: Iterable[str],
    catalog: Catalog,
    scorers: Mapping[str, type[Scorer[Any]]],
) -> tuple[BoundTerm, ...]:
    """Return the terms in the order in which their values are computed. Raise `TermFault`.

    `rewarded` names the terms that the reward is made of.
    """
    built = {name: _build_scorer(name, spec, catalog, scorers) for name, spec in specs.items()}
    others = {name: _find_others(name, values.get(name), built) for name in built}
    order = _order(others)
    entering = _find_entering(rewarded, others)
    return tuple(
        BoundTerm(
            name=name,
            scorer=built[name],
            expression=values.get(name),
            outputs=tuple(built[name].outputs),
            others=others[name],
            needs=tuple(sorted(built[name].needs)),
            asks_for_work=type(built[name]).prepare is not Scorer.prepare,
            enters_reward=name in entering,
        )
        for name in order
    )


def _build_scorer(
    name: str, spec: Mapping[str, Json], catalog: Catalog, scorers: Mapping[str, type[Scorer[Any]]]
) -> Scorer[Any]:
    path = f"terms.{name}"
    wanted = spec["scorer"]
    if wanted not in scorers:
        nearest = find_nearest(wanted, scorers)
        raise TermFault(
            f'term "{name}": unknown scorer "{wanted}"{suggest(nearest)}', f"{path}.scorer", nearest
        )
    kind = scorers[wanted]
    try:
        params = kind.Params.model_validate({key: spec[key] for key in spec if key not in OWN_KEYS})
        scorer = kind(params, catalog)
    except ValidationError as error:
        message, field, nearest = explain_params(error, kind.Params.model_fields)
        raise TermFault(f'term "{name}": {message}', f"{path}.{field}".rstrip("."), nearest) from None
    except ValueError as error:
        raise TermFault(f'term "{name}": {error}', path) from None
    for kind_of_name, asked, known in (
        ("model", scorer.models, catalog.models),
        ("piece", scorer.pieces, catalog.pieces),
    ):
        for unknown in sorted(one for one in asked if one not in known):
            nearest = find_nearest(unknown, known)
            key = next((key for key in spec if spec[key] == unknown and key not in OWN_KEYS), kind_of_name)
            message = f'term "{name}": unknown {kind_of_name} "{unknown}"{suggest(nearest)}'
            raise TermFault(message, f"{path}.{key}", nearest)
    return scorer


def _find_others(
    name: str, expression: Expression | None, built: Mapping[str, Scorer[Any]]
) -> tuple[str, ...]:
    """Return the terms that a value expression reads, after checking all its names."""
    if expression is None:
        return ()
    outputs = built[name].outputs
    path = f"terms.{name}.value"
    try:
        expression.check({*outputs, *built})
    except ExpressionError as error:
        raise TermFault(f'term "{name}": value: {error}', path, error.nearest) from None
    for used in expression.names:
        if used in outputs and used in built and used != name:
            message = f'term "{name}": value: "{used}" is an output of the scorer and a term; rename the term'
            raise TermFault(message, path)
    return tuple(used for used in expression.names if used not in outputs)


def _order(others: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the terms so that each stands behind those it reads, otherwise as written."""
    order: list[str] = []

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            cycle = " -> ".join((*trail[trail.index(name) :], name))
            raise TermFault(f'term "{name}": cycle: {cycle}', f"terms.{name}.value")
        if name not in order:
            for other in others[name]:
                visit(other, (*trail, name))
            order.append(name)

    for name in others:
        visit(name, ())
    return order


def _find_entering(rewarded: Iterable[str], others: Mapping[str, Sequence[str]]) -> set[str]:
    found = set(rewarded)
    todo = list(found)
    while todo:
        new = set(others[todo.pop()]) - found
        found |= new
        todo += new
    return found
