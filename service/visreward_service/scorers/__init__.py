"""Scorers by name, and the rules that run in the pool of killable processes."""

from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

from visreward_service.scorers import answers
from visreward_service.scorers.alignment import Alignment
from visreward_service.scorers.answer import Answer
from visreward_service.scorers.area import Area
from visreward_service.scorers.average_precision import ItemAveragePrecision
from visreward_service.scorers.base import Scorer
from visreward_service.scorers.charset import Charset
from visreward_service.scorers.clipscore import ClipScore
from visreward_service.scorers.containment import Containment
from visreward_service.scorers.counting import Counting
from visreward_service.scorers.degradation import Degradation
from visreward_service.scorers.detection import Detection
from visreward_service.scorers.given import Given, SecondAnswer
from visreward_service.scorers.grounding import Grounding
from visreward_service.scorers.keywords import Keywords
from visreward_service.scorers.labels import Labels
from visreward_service.scorers.length import Length
from visreward_service.scorers.lenient import Lenient
from visreward_service.scorers.letters import Letters
from visreward_service.scorers.metro import Metro
from visreward_service.scorers.minerva import Minerva
from visreward_service.scorers.pattern import PatternFormat
from visreward_service.scorers.phrases import Phrases
from visreward_service.scorers.pointing import Pointing
from visreward_service.scorers.primitives import Primitives
from visreward_service.scorers.reflection import Reflection
from visreward_service.scorers.regression import Regression
from visreward_service.scorers.repetition import Repetition
from visreward_service.scorers.sections import Sections
from visreward_service.scorers.siglip import SigLip
from visreward_service.scorers.similarity import Similarity
from visreward_service.scorers.symbolic import Symbolic
from visreward_service.scorers.tags import Tags

ENTRY_POINTS = "visreward.scorers"
"""Entry-point group for scorers of other distributions: `name = "package.module:Class"`."""

SCORERS: dict[str, type[Scorer[Any]]] = {
    "alignment": Alignment,
    "answer": Answer,
    "area": Area,
    "average_precision": ItemAveragePrecision,
    "charset": Charset,
    "clipscore": ClipScore,
    "containment": Containment,
    "counting": Counting,
    "degradation": Degradation,
    "detection": Detection,
    "given": Given,
    "grounding": Grounding,
    "keywords": Keywords,
    "labels": Labels,
    "length": Length,
    "lenient": Lenient,
    "letters": Letters,
    "metro": Metro,
    "minerva": Minerva,
    "pattern": PatternFormat,
    "phrases": Phrases,
    "pointing": Pointing,
    "primitives": Primitives,
    "reflection": Reflection,
    "regression": Regression,
    "repetition": Repetition,
    "second_answer": SecondAnswer,
    "sections": Sections,
    "siglip": SigLip,
    "similarity": Similarity,
    "symbolic": Symbolic,
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
