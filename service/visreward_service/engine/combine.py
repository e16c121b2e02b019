"""Turns the results of the work into each item's reward, parts and details. Pure."""

from collections.abc import Mapping
from typing import Any

from visreward.protocol import MEANINGS, ErrorBody, ItemResult
from visreward_service.engine.answer import build
from visreward_service.engine.plan import ItemPlan, Plan, TermPlan, attribute
from visreward_service.scorers.base import Fault, Subject, Work

NO_WORK: Mapping[Work, Any] = {}


def combine(plan: Plan, results: Mapping[Work, Any]) -> list[ItemResult]:
    """Return one result per item, in the request's order, before any step of its group."""
    names = tuple(term.name for term in plan.recipe.terms)
    # Where values are computed in the recipe's order, their dict is in it already.
    order = None if names == plan.recipe.names else plan.recipe.names
    return [_result(plan, item, index, results, order) for index, item in enumerate(plan.items)]


def _result(
    plan: Plan, item: ItemPlan, index: int, results: Mapping[Work, Any], order: tuple[str, ...] | None
) -> ItemResult:
    if item.fault is not None or item.subject is None:
        return _failed(item, item.fault, {}, {})
    parts: dict[str, float | None] = {}
    details: dict[str, Any] = {}
    for term_plan in item.terms:
        name = term_plan.term.name
        fault = _judge(term_plan, item.subject, index, results, parts, details)
        if fault is not None and term_plan.term.enters_reward:
            return _failed(item, fault, parts, details if plan.call.details else {})
        if fault is not None:
            parts[name] = None
            details[name] = {"error": to_error(fault).model_dump(mode="json", exclude_defaults=True)}
    try:
        reward = plan.recipe.reward(parts)
    except Exception as error:
        fault = attribute(error, "reward", f"items[{index}]")
        return _failed(item, fault, parts, details if plan.call.details else {})
    return build(
        ItemResult,
        id=item.entry.id,
        reward=reward,
        parts=parts if order is None else {name: parts[name] for name in order},
        details=details if plan.call.details else {},
        error=None,
    )


def _judge(
    planned: TermPlan,
    subject: Subject,
    index: int,
    results: Mapping[Work, Any],
    parts: dict[str, float | None],
    details: dict[str, Any],
) -> Fault | None:
    """Put a term's value and its details where they belong, or return why it has none."""
    term = planned.term
    if planned.fault is not None:
        return planned.fault
    mine = {unit: results[unit] for unit in planned.work} if planned.work else NO_WORK
    for outcome in mine.values():
        if isinstance(outcome, Fault):
            return attribute(outcome, term.name, f"items[{index}]")
    try:
        score = term.scorer.finish(subject, mine)
        parts[term.name] = term.value(score, parts)
    except Exception as error:
        return attribute(error, term.name, f"items[{index}]")
    if score.details:
        details[term.name] = dict(score.details)
    return None


def _failed(
    item: ItemPlan, fault: Fault | None, parts: dict[str, float | None], details: dict[str, Any]
) -> ItemResult:
    assert fault is not None  # noqa: S101 - a failed item has a fault
    return build(
        ItemResult, id=item.entry.id, reward=None, parts=parts, details=details, error=to_error(fault)
    )


def to_error(fault: Fault) -> ErrorBody:
    """Return a fault as it goes over the wire."""
    return ErrorBody(
        code=fault.code,
        message=fault.message,
        field=fault.field,
        retryable=MEANINGS[fault.code].retryable,
    )
