"""The `keywords` scorer: the share of key words found, as substrings or as words."""

import random
import re
from typing import Any

import pytest

from visreward.protocol import Code, Item, Reference
from visreward_service.scorers.base import Catalog, Fault, Score, Subject
from visreward_service.scorers.keywords import Keywords, KeywordsParams


def run(text: str | None, words: list[str] | None, **params: Any) -> Score:
    scorer = Keywords(KeywordsParams.model_validate({"text": "piece", **params}), Catalog())
    item = Item(id="1", completion="", reference=Reference(key_words=words))
    return scorer.finish(Subject(item, {"piece": text}), {})


def test_substrings_count_wherever_they_stand() -> None:
    score = run("The scatter plot", ["cat", "PLOT", "dog"])
    assert score.values == {"fraction": 2 / 3, "hits": 2.0}
    assert score.details["missing"] == ["dog"]


def test_words_do_not_count_inside_other_words() -> None:
    assert run("The scatter plot", ["cat", "PLOT"], match="word").values["fraction"] == 0.5
    assert run("a cat.", ["cat"], match="word").values["fraction"] == 1.0
    assert run("cat_2 cat2", ["cat"], match="word").values["fraction"] == 0.0


@pytest.mark.parametrize("words", [None, []])
def test_no_key_words_are_zero_or_no_value(words: list[str] | None) -> None:
    assert run("text", words).values["fraction"] == 0.0
    assert not run("text", words, empty="not_applicable").applicable


def test_nothing_is_found_in_an_absent_text() -> None:
    score = run(None, ["cat"])
    assert score.values["fraction"] == 0.0
    assert score.details["status"] == "missing_section"


def test_an_empty_key_word_is_found_as_a_substring_and_refused_as_a_word() -> None:
    assert run("text", [""]).values["fraction"] == 1.0
    with pytest.raises(Fault) as caught:
        run("text", [" "], match="word")
    assert caught.value.code is Code.REFERENCE_UNPARSABLE


def test_words_are_those_that_a_bounded_pattern_finds() -> None:
    rng = random.Random(9)
    alphabet = ["a", "b", "ab", " ", "-", "+", "é", "İ", "_", "1", "\n", "日"]
    for _ in range(3000):
        text = "".join(rng.choice(alphabet) for _ in range(rng.randrange(12)))
        word = "".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 4))).strip() or "a"
        lowered = word.lower()
        left = r"(?<!\w)" if re.match(r"\w", lowered[0]) else ""
        right = r"(?!\w)" if re.match(r"\w", lowered[-1]) else ""
        expected = re.search(left + re.escape(lowered) + right, text.lower()) is not None
        assert run(text, [word], match="word").values["hits"] == float(expected), (text, word)


def test_more_key_words_than_can_be_looked_for_are_an_error() -> None:
    with pytest.raises(Fault) as caught:
        run("x" * 200_000, ["cat"] * 10_000)
    assert caught.value.code is Code.TEXT_TOO_LONG
