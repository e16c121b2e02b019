"""Turns a call and its recipe into distinct units of work. Pure: no I/O, no waiting."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from visreward.protocol import Code, Item
from visreward_service.engine.admit import Call, Entry
from visreward_service.recipes import BoundRecipe, BoundTerm
from visreward_service.scorers.base import Fault, ImageEncoding, Subject, Work

log = logging.getLogger(__name__)

HAS: Mapping[str, Callable[[Item], bool]] = {
    "images": lambda item: bool(item.images),
    "prompt": lambda item: item.prompt is not None,
    "group": lambda item: item.group is not None,
    "completion": lambda _: True,
    "reference.answer": lambda item: item.reference.answer is not None or item.reference.answers is not None,
    "completion_tokens": lambda item: item.completion_tokens is not None,
}


@dataclass(slots=True)
class TermPlan:
    """One term of one item: the work it asked for, or why it cannot be scored."""

    term: BoundTerm
    work: tuple[Work, ...] = ()
    fault: Fault | None = None
    missing_image: str | None = None
    """The digest that the fault is about, where it is about an image that is not there."""


@dataclass(slots=True)
class ItemPlan:
    """One item: its subject and terms, or why it cannot be scored."""

    entry: Entry
    subject: Subject | None = None
    terms: list[TermPlan] = field(default_factory=list)
    fault: Fault | None = None


@dataclass(slots=True)
class Plan:
    """A request's items, and the distinct work that all of them together need."""

    call: Call
    recipe: BoundRecipe
    items: list[ItemPlan]
    asked: dict[Work, int]
    """Each distinct unit of work, with how many terms of how many items asked for it."""
    missing_images: list[str]
    """Digests that terms need and that the request neither brings nor finds, each once."""


def plan(call: Call, recipe: BoundRecipe) -> Plan:
    """Return the request's work, each distinct unit once."""
    asked: dict[Work, int] = {}
    idle = [TermPlan(term) for term in recipe.terms]
    items = [_plan_item(entry, index, call, recipe, asked, idle) for index, entry in enumerate(call.entries)]
    missing = dict.fromkeys(
        term_plan.missing_image
        for item in (items if recipe.models else ())
        for term_plan in item.terms
        if term_plan.missing_image is not None
    )
    return Plan(call=call, recipe=recipe, items=items, asked=asked, missing_images=list(missing))


def _plan_item(
    entry: Entry,
    index: int,
    call: Call,
    recipe: BoundRecipe,
    asked: dict[Work, int],
    idle: Sequence[TermPlan],
) -> ItemPlan:
    """`idle` holds the plan of each term that needs no work: one for all items."""
    if entry.item is None or entry.fault is not None:
        return ItemPlan(entry, fault=entry.fault)
    subject = recipe.subject(entry.item)
    terms = [_plan_term(one, subject, index, call) for one in idle]
    for planned in terms:
        if planned.fault is not None and planned.term.enters_reward:
            return ItemPlan(entry, subject, terms, planned.fault)
    for planned in terms:
        if planned.work and planned.fault is None:
            for unit in planned.work:
                asked[unit] = asked.get(unit, 0) + 1
    return ItemPlan(entry, subject, terms, None)


def _plan_term(idle: TermPlan, subject: Subject, index: int, call: Call) -> TermPlan:
    term = idle.term
    for need in term.needs:
        if not has(subject.item, need):
            message = f'term "{term.name}" needs {need}'
            return TermPlan(term, fault=Fault(Code.MISSING_FIELD, message, field=f"items[{index}].{need}"))
    if not term.asks_for_work:
        return idle
    try:
        work = tuple(term.scorer.prepare(subject))
    except Exception as error:
        return TermPlan(term, fault=attribute(error, term.name, f"items[{index}]"))
    return _check_images(TermPlan(term, work), subject.item, f"items[{index}]", call) if work else idle


def _check_images(planned: TermPlan, item: Item, path: str, call: Call) -> TermPlan:
    """Note an image that the work reads and the request does not bring, or brings broken."""
    for unit in planned.work:
        if isinstance(unit, ImageEncoding):
            held = call.images.get(unit.digest)
            if isinstance(held, Fault):
                planned.fault = held
                break
            if held is None:
                message = f"image {unit.digest} is named but was not sent"
                place = item.images.index(unit.digest)
                planned.fault = Fault(Code.IMAGE_MISSING, message, field=f"{path}.images[{place}]")
                planned.missing_image = unit.digest
                break
    return planned


def has(item: Item, need: str) -> bool:
    """Whether the item carries a field that a scorer needs."""
    look = HAS.get(need)
    if look is not None:
        return look(item)
    return getattr(item.reference, need.removeprefix("reference."), None) is not None


def attribute(error: Exception, term: str, path: str) -> Fault:
    """Return the fault in what a scorer raised: one of its own gets the item's path, all else is a defect."""
    if not isinstance(error, Fault):
        log.error("scorer failed", exc_info=error, extra={"term": term, "item": path})
        return Fault(Code.SCORER_FAILED, f'the scorer of term "{term}" failed on this item')
    if error.field is None or error.field.startswith(("items[", "images[")):
        return error
    return Fault(error.code, error.message, field=f"{path}.{error.field}")
