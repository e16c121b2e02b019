"""The scorer for sets of labels: those that a text lists, against those of the gold answer."""

import json
import re
from collections.abc import Mapping
from typing import Any

from visreward.protocol import Code
from visreward_service.scorers.base import Fault, Params, Score, Scorer, Subject, Work

SEPARATOR = re.compile(r"[,，、\s]+")


class LabelsParams(Params):
    text: str = "completion"
    ignore_case: bool = True


class Labels(Scorer[LabelsParams]):
    """Compares labels that commas or white space part, or that a JSON or Python list holds.

    Outputs: `jaccard`, the labels of both over those of either; `precision`, `recall`, `equal`. Text with a
    bracket that is no list has no labels, and earns 0. The rule of Curr-ReFT's `extract_answer_items`
    (ding523/Curr_REFT@f123433), which minds letter case.
    """

    Params = LabelsParams
    summary = "a set of labels against the reference's: Jaccard, precision, recall"

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("jaccard", "precision", "recall", "equal")

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"reference.answer"})

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        gold = self._fold(_split(subject.item.reference.answer or ""))
        if not gold:
            message = "the gold answer names no label"
            raise Fault(Code.REFERENCE_UNPARSABLE, message, field="reference.answer")
        text = subject.text(self.params.text)
        given = self._fold([] if text is None else _read(text))
        common = len(gold & given)
        values = {
            "jaccard": common / len(gold | given),
            "precision": common / len(given) if given else 0.0,
            "recall": common / len(gold),
            "equal": float(gold == given),
        }
        return Score(values, {"num_given": len(given), "num_gold": len(gold), "num_common": common})

    def _fold(self, labels: list[str]) -> set[str]:
        return {label.lower() for label in labels} if self.params.ignore_case else set(labels)


def _read(text: str) -> list[str]:
    if "[" not in text:
        return _split(text)
    try:
        entries = json.loads(text.replace("'", '"'))
    except (ValueError, RecursionError):
        return []
    flat = isinstance(entries, list) and all(isinstance(entry, str) for entry in entries)
    return entries if flat else []


def _split(text: str) -> list[str]:
    return [label for label in SEPARATOR.split(text) if label]
