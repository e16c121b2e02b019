"""Kind `span`: the changed phrase of a caption, as ViCrit asks for it (arXiv:2506.10128).

The gold answer is the phrase that stands in the changed caption. `contained` is the paper's rule with a cap
on what may stand around the phrase; `first_token` is what the released evaluation does.
"""

import re
from dataclasses import dataclass
from typing import Literal

from visreward_service.scorers.answers import notation
from visreward_service.scorers.answers.kind import Kind
from visreward_service.scorers.answers.verdict import UnreadableGold, Verdict

WORD = re.compile(r"[\w'’-]+")
MAX_CHARS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanOptions:
    """Which copies of the phrase are right."""

    rule: Literal["exact", "contained", "first_token"] = "contained"
    max_extra_words: int = 6
    """For `contained`: words that may stand around the phrase."""
    caption: str | None = None
    """From the item: the changed caption, from which words around the phrase must be copied."""
    original: str | None = None
    """From the item: the phrase before the change, needed by `first_token`."""


def _words(text: str) -> list[str]:
    return WORD.findall(notation.fold(text).casefold())


def _holds(outer: list[str], inner: list[str]) -> bool:
    return f" {' '.join(inner)} " in f" {' '.join(outer)} "


def first_changed(original: list[str], changed: list[str]) -> str | None:
    """Return the first word of `changed` that is not in place in `original`; None where words only went."""
    start = 0
    while start < min(len(original), len(changed)) and original[start] == changed[start]:
        start += 1
    end = 0
    while end < min(len(original), len(changed)) - start and original[-1 - end] == changed[-1 - end]:
        end += 1
    middle = changed[start : len(changed) - end]
    return middle[0] if middle else None


def judge(given: str, gold: str, options: SpanOptions) -> Verdict:
    """Return whether the answer is the phrase, by the rule."""
    wanted = _words(gold)
    if not wanted:
        raise UnreadableGold("the gold phrase has no words")
    if options.rule == "first_token":
        return _judge_first_token(given, wanted, options)
    had = _words(given)
    if had == wanted:
        return Verdict.of(True, "the phrase")
    if options.rule == "exact" or not _holds(had, wanted):
        return Verdict.of(False, "not the phrase")
    if len(had) - len(wanted) > options.max_extra_words:
        return Verdict.of(False, "too much around the phrase")
    if options.caption is not None and not _holds(_words(options.caption), had):
        return Verdict.of(False, "not copied from the caption")
    return Verdict.of(True, "the phrase within a copy")


def _judge_first_token(given: str, wanted: list[str], options: SpanOptions) -> Verdict:
    if options.original is None:
        raise UnreadableGold("the phrase before the change is missing: reference.extra.original")
    token = first_changed(_words(options.original), wanted)
    if token is None:
        raise UnreadableGold("the change only removes words, so that there is no first changed word")
    return Verdict.of(token in given.casefold(), "first changed word")


def settle(given: str, gold: str, options: SpanOptions) -> Verdict | None:
    """Return the verdict, which takes time linear in the texts."""
    return judge(given, gold, options) if len(given) + len(options.caption or "") <= MAX_CHARS else None


KIND = Kind("the changed phrase of a caption", SpanOptions, judge, settle, context=("caption", "original"))
