"""The scorer for image degradation: its class, and how severe it is."""

import re
from collections.abc import Mapping
from typing import Any

from visreward.protocol import Code
from visreward_service.scorers.base import Fault, Params, Score, Scorer, Subject, Work

CLASS = re.compile(r'"distortion_class"\s*:\s*"([^"]+)"')
SEVERITY = re.compile(r'"severity"\s*:\s*"([^"]+)"')
FIELDS = ("distortion_class", "severity")


class DegradationParams(Params):
    text: str = "completion"
    """The piece that holds `"distortion_class": ".."` and, behind it, `"severity": ".."`."""


class Degradation(Scorer[DegradationParams]):
    """Compares a stated degradation with `reference.extra.distortion_class` and `reference.extra.severity`.

    Outputs: `score`, 0.25 for the class and 0.75 more where the severity is right too (Q-Insight,
    arXiv:2503.22679); `class_right`; `severity_right`, whatever the class; `readable`. Texts are compared as
    they stand, white space around them aside. Both values must be quoted: an unquoted null cannot be read.
    """

    Params = DegradationParams
    summary = "class and severity of an image degradation"

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("score", "class_right", "severity_right", "readable")

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        wanted = [_read_reference(subject, name) for name in FIELDS]
        text = subject.text(self.params.text)
        found = None if text is None else _find(text)
        if found is None:
            return Score(dict.fromkeys(self.outputs, 0.0), {"status": "unreadable"})
        class_right, severity_right = (own == true for own, true in zip(found, wanted))
        values = {
            "score": 0.25 * class_right + 0.75 * (class_right and severity_right),
            "class_right": float(class_right),
            "severity_right": float(severity_right),
            "readable": 1.0,
        }
        return Score(values, dict(zip(FIELDS, found)))


def _find(text: str) -> tuple[str, str] | None:
    """Return the first class that a severity follows, and that severity: as one lazy pattern would."""
    first = CLASS.search(text)
    if first is None:
        return None
    then = SEVERITY.search(text, first.end())
    return None if then is None else (first[1].strip(), then[1].strip())


def _read_reference(subject: Subject, name: str) -> str:
    value = subject.item.reference.extra.get(name)
    field = f"reference.extra.{name}"
    if value is None:
        raise Fault(Code.MISSING_FIELD, f"the term needs {field}", field=field)
    if not isinstance(value, str):
        raise Fault(Code.INVALID_ITEM, f"{field} must be a text", field=field)
    return value
