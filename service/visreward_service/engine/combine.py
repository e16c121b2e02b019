"""Turns the results of the work into each item's reward, parts and details. Pure."""

from collections.abc import Mapping
from typing import Any

from visreward.protocol import MEANINGS, ErrorBody, ItemResult
from visreward_service.engine.plan import ItemPlan, Plan, TermPlan, boundary
from visreward_service.scorers.base import Fault, Score, Work


def combine(plan: Plan, results: Mapping[Work, Any]) -> list[ItemResult]:
    """Return one result per item, in the request's order, before any step of its group."""
    return [_result(plan, item, f"items[{index}]", results) for index, item in enumerate(plan.items)]


def _result(plan: Plan, item: ItemPlan, path: str, results: Mapping[Work, Any]) -> ItemResult:
    if item.fault is not None or item.subject is None:
        return _failed(item, item.fault)
    parts: dict[str, float | None] = {}
    details: dict[str, Any] = {}
    try:
        for term_plan in item.terms:
            name = term_plan.term.name
            try:
                score = _finish(term_plan, item, path, results)
                with boundary(name, path):
                    parts[name] = term_plan.term.value(score, parts)
                if score.details:
                    details[name] = dict(score.details)
            except Fault as fault:
                if term_plan.term.enters_reward:
                    raise
                parts[name] = None
                details[name] = {"error": to_error(fault).model_dump(mode="json", exclude_defaults=True)}
        with boundary("reward", path):
            reward = plan.recipe.reward(parts)
    except Fault as fault:
        return _failed(item, fault, parts, details if plan.call.details else {})
    if not plan.call.details:
        details = {}
    return ItemResult.model_construct(
        id=item.entry.id,
        reward=reward,
        parts={name: parts[name] for name in plan.recipe.names},
        details=details,
        error=None,
    )


def _finish(term_plan: TermPlan, item: ItemPlan, path: str, results: Mapping[Work, Any]) -> Score:
    if term_plan.fault is not None:
        raise term_plan.fault.with_traceback(None)
    mine: dict[Work, Any] = {}
    for unit in term_plan.work:
        outcome = results[unit]
        if isinstance(outcome, Fault):
            with boundary(term_plan.term.name, path):
                raise outcome.with_traceback(None)
        mine[unit] = outcome
    assert item.subject is not None  # noqa: S101 - an item without a subject has a fault
    with boundary(term_plan.term.name, path):
        return term_plan.term.scorer.finish(item.subject, mine)


def _failed(
    item: ItemPlan,
    fault: Fault | None,
    parts: Mapping[str, float | None] | None = None,
    details: Mapping[str, Any] | None = None,
) -> ItemResult:
    assert fault is not None  # noqa: S101 - a failed item has a fault
    return ItemResult.model_construct(
        id=item.entry.id,
        reward=None,
        parts=dict(parts or {}),
        details=dict(details or {}),
        error=to_error(fault),
    )


def to_error(fault: Fault) -> ErrorBody:
    """Return a fault as it goes over the wire."""
    return ErrorBody(
        code=fault.code,
        message=fault.message,
        field=fault.field,
        retryable=MEANINGS[fault.code].retryable,
    )
