"""The key-word scorer: the share of an item's key words that a text holds."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from visreward.protocol import Code
from visreward_service.scorers.base import Fault, Params, Score, Scorer, Subject, Work

MAX_SEARCHED_CHARS = 500_000_000
"""Number of key words times length of the text; some hundred milliseconds of looking."""
MAX_SHOWN_WORDS = 20
"""Missing key words that an item's details name."""


class KeywordsParams(Params):
    text: str = "completion"
    """The piece to look in."""
    match: Literal["substring", "word"] = "substring"
    """`word`: no letter, digit or underscore of another word beside it."""
    empty: Literal["zero", "not_applicable"] = "zero"
    """What an item without key words is."""


class Keywords(Scorer[KeywordsParams]):
    """The share of `reference.key_words` found in a text, case ignored by comparing lower case.

    With the defaults, PeBR-R1's fine-grained reward (arXiv 2509.13031, `examples/reward_function/pebr_1.py`).
    In a text that is absent none is found. Outputs: `fraction`, 0..1, and the number of `hits`.
    """

    Params = KeywordsParams
    summary = "share of the reference's key words found in a text"

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("fraction", "hits")

    @property
    def reads(self) -> frozenset[str]:
        """Fields that make a difference, and without which an item is scored all the same."""
        return frozenset({"reference.key_words"})

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        words = subject.item.reference.key_words or ()
        if not words and self.params.empty == "not_applicable":
            return Score.not_applicable("no_key_words")
        if not words:
            return Score({"fraction": 0.0, "hits": 0.0}, {"status": "no_key_words"})
        text = subject.text(self.params.text)
        missing = list(words) if text is None else self._find_missing(words, text)
        hits = len(words) - len(missing)
        details: dict[str, Any] = {"hits": hits, "missing": missing[:MAX_SHOWN_WORDS]}
        if text is None:
            details["status"] = "missing_section"
        return Score({"fraction": hits / len(words), "hits": float(hits)}, details)

    def _find_missing(self, words: Sequence[str], text: str) -> list[str]:
        if len(words) * len(text) > MAX_SEARCHED_CHARS:
            message = f"{len(words)} key words are too many to look for in {len(text)} characters"
            raise Fault(Code.TEXT_TOO_LONG, message, field="reference.key_words")
        lowered = text.lower()
        if self.params.match == "substring":
            return [word for word in words if word.lower() not in lowered]
        if any(not word.strip() for word in words):
            raise Fault(Code.REFERENCE_UNPARSABLE, "a key word is blank", field="reference.key_words")
        runs = frozenset(re.findall(r"\w+", lowered))
        return [word for word in words if not _has_word(word.lower().strip(), lowered, runs)]


def _has_word(word: str, text: str, runs: frozenset[str]) -> bool:
    """Whether the word stands in the text with no word character beside its own."""
    if re.fullmatch(r"\w+", word):
        return word in runs
    left = r"(?<!\w)" if re.match(r"\w", word) else ""
    right = r"(?!\w)" if re.match(r"\w", word[-1]) else ""
    return word in text and re.search(left + re.escape(word) + right, text) is not None
