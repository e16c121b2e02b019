"""Scorers by name, and the rules that run in the pool of killable processes."""

from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

from visreward_service.scorers import answers
from visreward_service.scorers.alignment import Alignment
from visreward_service.scorers.answer import Answer
from visreward_service.scorers.base import Scorer
from visreward_service.scorers.clipscore import ClipScore
from visreward_service.scorers.keywords import Keywords
from visreward_service.scorers.length import Length
from visreward_service.scorers.sections import Sections
from visreward_service.scorers.tags import Tags

ENTRY_POINTS = "visreward.scorers"
"""Entry-point group for scorers of other distributions: `name = "package.module:Class"`."""

SCORERS: dict[str, type[Scorer[Any]]] = {
    "alignment": Alignment,
    "answer": Answer,
    "clipscore": ClipScore,
    "keywords": Keywords,
    "length": Length,
    "sections": Sections,
    "tags": Tags,
}

RULES: dict[str, str] = {
    answers.RULE: "visreward_service.scorers.answers:judge",
}
"""Functions that `RuleCall.rule` names, as `module:function`."""


@lru_cache(maxsize=1)
def find_scorers() -> dict[str, type[Scorer[Any]]]:
    """Return our scorers and those of other distributions. Raise ValueError for a name taken twice."""
    found = dict(SCORERS)
    for point in entry_points(group=ENTRY_POINTS):
        if point.name in found:
            raise ValueError(f'the scorer name "{point.name}" of {point.value} is taken')
        found[point.name] = point.load()
    return found
