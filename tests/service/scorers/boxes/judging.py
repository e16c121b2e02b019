"""Scores one text with one scorer, as a term of a recipe would."""

from collections.abc import Sequence
from typing import Any

from visreward.protocol import Item, LabelledBox, Reference
from visreward_service.scorers.base import Catalog, Score, Scorer, Subject


def label(box: Sequence[float], name: str | None = None) -> LabelledBox:
    """Return a reference box."""
    return LabelledBox(box=[float(number) for number in box], label=name)


def judge(
    kind: type[Scorer[Any]],
    text: str | None,
    *,
    boxes: Sequence[LabelledBox] | None = None,
    extra: dict[str, Any] | None = None,
    answer: str | None = None,
    **params: Any,
) -> Score:
    """Return the score of `text`; None stands for a piece that was not found."""
    scorer = kind(kind.Params.model_validate(params), Catalog())
    reference = Reference(boxes=None if boxes is None else list(boxes), extra=extra or {}, answer=answer)
    item = Item(id="one", completion=text or "", reference=reference)
    subject = Subject(item, {"completion": text, "prompt": None})
    assert not scorer.prepare(subject)
    return scorer.finish(subject, {})


def value(kind: type[Scorer[Any]], text: str | None, output: str, **params: Any) -> float:
    """Return one output."""
    return judge(kind, text, **params).values[output]
