"""Words that say that a text looks again."""

import pytest

from tests.service.scorers.boxes.judging import judge, value
from visreward_service.scorers.base import Catalog
from visreward_service.scorers.reflection import Reflection, ReflectionParams


def test_reflection_words_are_counted_in_any_case() -> None:
    values = judge(Reflection, "Wait, let me re-check: check again. Done").values
    assert values == {"present": 1.0, "ratio": 3 / 7, "count": 3.0}


def test_a_word_inside_another_counts_only_on_request() -> None:
    assert value(Reflection, "the yeti awaits", "count") == 0.0
    assert value(Reflection, "the yeti awaits", "count", whole_words=False) == 2.0


@pytest.mark.parametrize("text", [None, "", "plain"])
def test_a_text_without_them_has_none(text: str | None) -> None:
    assert judge(Reflection, text).values == {"present": 0.0, "ratio": 0.0, "count": 0.0}


def test_the_list_is_the_recipes_to_choose() -> None:
    assert value(Reflection, "hmm hmm", "count", words=["hmm"]) == 2.0


def test_an_empty_word_is_refused() -> None:
    with pytest.raises(ValueError, match="an empty word"):
        Reflection(ReflectionParams(words=["ok", " "]), Catalog())
