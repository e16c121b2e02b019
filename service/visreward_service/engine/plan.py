"""Turns a call and its recipe into distinct units of work. Pure: no I/O, no waiting."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
    asked: Counter[Work]
    """Each distinct unit of work, with how many terms of how many items asked for it."""
    missing_images: list[str]
    """Digests that terms need and that the request neither brings nor finds, each once."""


def plan(call: Call, recipe: BoundRecipe) -> Plan:
    """Return the request's work, each distinct unit once."""
    asked: Counter[Work] = Counter()
    items = [_plan_item(entry, index, call, recipe, asked) for index, entry in enumerate(call.entries)]
    missing = dict.fromkeys(
        term_plan.missing_image
        for item in items
        for term_plan in item.terms
        if term_plan.missing_image is not None
    )
    return Plan(call=call, recipe=recipe, items=items, asked=asked, missing_images=list(missing))


def _plan_item(entry: Entry, index: int, call: Call, recipe: BoundRecipe, asked: Counter[Work]) -> ItemPlan:
    planned = ItemPlan(entry=entry, fault=entry.fault)
    if entry.item is None or planned.fault is not None:
        return planned
    planned.subject = recipe.subject(entry.item)
    for term in recipe.terms:
        planned.terms.append(_plan_term(term, planned.subject, f"items[{index}]", call))
    for term_plan in planned.terms:
        if term_plan.fault is not None and term_plan.term.enters_reward:
            planned.fault = term_plan.fault
            return planned
    for term_plan in planned.terms:
        asked.update(term_plan.work)
    return planned


def _plan_term(term: BoundTerm, subject: Subject, path: str, call: Call) -> TermPlan:
    missing = [need for need in sorted(term.scorer.needs) if not has(subject.item, need)]
    if missing:
        message = f'term "{term.name}" needs {missing[0]}'
        return TermPlan(term, fault=Fault(Code.MISSING_FIELD, message, field=f"{path}.{missing[0]}"))
    try:
        with boundary(term.name, path):
            work = tuple(term.scorer.prepare(subject))
    except Fault as fault:
        return TermPlan(term, fault=fault)
    return _check_images(TermPlan(term, work=work), subject.item, path, call)


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
    if need in HAS:
        return HAS[need](item)
    return getattr(item.reference, need.removeprefix("reference."), None) is not None


@contextmanager
def boundary(term: str, path: str) -> Iterator[None]:
    """Attribute what a scorer raises: faults get the item's path, anything else is the scorer's defect."""
    try:
        yield
    except Fault as fault:
        where = fault.field
        if where is not None and not where.startswith(("items[", "images[")):
            raise Fault(fault.code, fault.message, field=f"{path}.{where}") from fault
        raise
    except Exception:
        log.exception("scorer failed", extra={"term": term, "item": path})
        raise Fault(Code.SCORER_FAILED, f'the scorer of term "{term}" failed on this item') from None
