"""How much of a text has been said before."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service.scorers.boxes.judging import judge, value
from visreward_service.scorers.repetition import Repetition


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(1, 5))
@settings(deadline=None)
def test_the_share_is_one_minus_distinct_over_all(words: list[str], n: int) -> None:
    grams = [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]
    expected = 1 - len(set(grams)) / len(grams) if grams else 0.0
    assert value(Repetition, " ".join(words), "repeated", n=n) == expected


def test_words_are_compared_in_lower_case_unless_told_otherwise() -> None:
    assert value(Repetition, "The the", "repeated", n=1) == 0.5
    assert value(Repetition, "The the", "repeated", n=1, lower=False) == 0.0


def test_tokens_part_marks_from_words_and_chinese_characters_from_each_other() -> None:
    assert value(Repetition, "a,a;a", "num_ngrams", n=1, unit="words") == 1.0
    assert value(Repetition, "a,a;a", "num_ngrams", n=1, unit="tokens") == 5.0
    assert value(Repetition, "中中国", "repeated", n=1, unit="tokens") == pytest.approx(1 / 3)


def test_entries_are_boxes_with_their_labels() -> None:
    text = '[{"bbox_2d": [1, 2, 3, 4], "label": "a"}, {"bbox_2d": [1, 2, 3, 4], "label": "a"}]'
    assert value(Repetition, text, "repeated", n=1, unit="entries") == 0.5
    assert value(Repetition, text.replace('"a"}]', '"b"}]'), "repeated", n=1, unit="entries") == 0.0


@pytest.mark.parametrize("text", [None, "", "word " * 19])
def test_a_text_below_the_least_length_repeats_nothing(text: str | None) -> None:
    assert value(Repetition, text, "repeated", n=2, min_units=20) == 0.0


def test_a_text_of_one_word_over_and_over_is_all_repetition() -> None:
    score = judge(Repetition, "again " * 40_000)
    assert score.values["repeated"] == pytest.approx(1 - 1 / 39_981)
