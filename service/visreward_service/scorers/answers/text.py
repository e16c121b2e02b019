"""Kind `text`: words against words, exactly or by a measure of likeness."""

import re
import string
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from visreward_service.scorers.answers import notation
from visreward_service.scorers.answers.kind import Kind
from visreward_service.scorers.answers.verdict import UnreadableGold, Verdict

Measure = Literal["exact", "normalised", "token_f1", "anls", "edit", "jaccard", "contained", "contains"]

ARTICLES = re.compile(r"\b(?:a|an|the)\b")
PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation + "，。、；：！？「」《》“”‘’", " "))
LABELS = re.compile(r"[,，、;\s]+")
MAX_QUICK_CHARS = 2_000
"""Two texts that are longer together are compared in a worker: edit distance takes the product of lengths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOptions:
    """How texts are compared."""

    measure: Measure = "normalised"
    anls_threshold: float = 0.5
    """Relative edit distance from which on `anls` is 0 (Biten et al., 2019, arXiv:1905.13648)."""


def normalise(text: str) -> str:
    """Return lower-case words without punctuation and English articles, as SQuAD's evaluation does."""
    text = notation.fold(text).casefold().translate(PUNCTUATION)
    # A text of articles alone, such as the label "a", keeps them.
    return " ".join(ARTICLES.sub(" ", text).split() or text.split())


def edit_distance(left: str, right: str) -> int:
    """Return the Levenshtein distance by Myers' bit-parallel algorithm (JACM 46, 1999), on whole integers."""
    if len(left) < len(right):
        left, right = right, left
    if not right:
        return len(left)
    places: dict[str, int] = {}
    for place, character in enumerate(right):
        places[character] = places.get(character, 0) | 1 << place
    mask, top = (1 << len(right)) - 1, 1 << (len(right) - 1)
    up, down, distance = mask, 0, len(right)
    for character in left:
        match = places.get(character, 0) | down
        diagonal = ((up + (match & up)) ^ up | match) & mask
        risen, fallen = (down | ~(up | diagonal)) & mask, up & diagonal
        distance += bool(risen & top) - bool(fallen & top)
        risen = risen << 1 & mask | 1
        down = risen & diagonal
        up = (fallen << 1 | ~(risen | diagonal)) & mask
    return distance


def _ratio(given: str, gold: str) -> float:
    longest = max(len(given), len(gold))
    return 1.0 - edit_distance(given, gold) / longest if longest else 1.0


def _anls(given: str, gold: str, options: TextOptions) -> float:
    given, gold = given.casefold().strip(), gold.casefold().strip()
    if abs(len(given) - len(gold)) >= options.anls_threshold * max(len(given), len(gold)):
        return 0.0
    likeness = _ratio(given, gold)
    return likeness if 1.0 - likeness < options.anls_threshold else 0.0


def token_f1(given: str, gold: str) -> float:
    """Return SQuAD's F1 of normalised words."""
    had, wanted = Counter(normalise(given).split()), Counter(normalise(gold).split())
    common = (had & wanted).total()
    return 2 * common / (had.total() + wanted.total()) if common else 0.0


def jaccard(given: str, gold: str) -> float:
    """Return the share of labels that both have among those that either has, letter case ignored."""
    had, wanted = ({label for label in LABELS.split(text.casefold()) if label} for text in (given, gold))
    return len(had & wanted) / len(had | wanted) if had and wanted else 0.0


def _contained(inner: str, outer: str) -> float:
    inner = normalise(inner)
    return float(bool(inner) and f" {inner} " in f" {normalise(outer)} ")


MEASURES: dict[str, Callable[[str, str, TextOptions], float]] = {
    "exact": lambda given, gold, _: float(given.strip() == gold.strip()),
    "normalised": lambda given, gold, _: float(normalise(given) == normalise(gold)),
    "token_f1": lambda given, gold, _: token_f1(given, gold),
    "anls": _anls,
    "edit": lambda given, gold, _: _ratio(normalise(given), normalise(gold)),
    "jaccard": lambda given, gold, _: jaccard(given, gold),
    "contained": lambda given, gold, _: _contained(given, gold),
    "contains": lambda given, gold, _: _contained(gold, given),
}


def judge(given: str, gold: str, options: TextOptions) -> Verdict:
    """Compare two texts. A gold text of which nothing is left to compare is unreadable."""
    empty = not (gold.strip() if options.measure in ("exact", "anls", "jaccard") else normalise(gold))
    if empty:
        raise UnreadableGold("the gold answer has no words")
    if not given.strip():
        return Verdict.of(False, "empty")
    return Verdict(MEASURES[options.measure](given, gold, options), options.measure)


def settle(given: str, gold: str, options: TextOptions) -> Verdict | None:
    """Return the verdict on short texts."""
    return judge(given, gold, options) if len(given) + len(gold) <= MAX_QUICK_CHARS else None


KIND = Kind(
    "words: exact, normalised, token F1, ANLS, edit ratio, Jaccard, containment", TextOptions, judge, settle
)
