"""Texts that keep to their scripts and hide nothing."""

import pytest

from tests.service.scorers.boxes.judging import judge, value
from visreward_service.scorers.charset import Charset


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("A red circle, 3 × 4 = 12.\n\tÉté", 1),
        ("", 1),
        ("12 + 3", 1),
        ("a 红 circle", 0),
        ("ｆｕｌｌ ｗｉｄｔｈ 𝑥", 1),
        ("zero\u200bwidth", 0),
        ("right\u202eleft", 0),
        ("bell\x07", 0),
    ],
)
def test_latin_text_is_clean_where_nothing_is_foreign_or_hidden(text: str, clean: int) -> None:
    assert value(Charset, text, "clean") == clean


def test_the_share_counts_letters_alone() -> None:
    assert value(Charset, "ab 12 中国", "share") == 0.5
    assert value(Charset, "ab 12 中国", "share", scripts=["Latin", "Han"]) == 1.0
    assert value(Charset, "ab 12 中国", "clean", max_foreign=0.5) == 1.0


def test_hidden_characters_can_be_allowed() -> None:
    assert judge(Charset, "a\u200bb", allow_hidden=True).values == {"clean": 1, "share": 1, "num_hidden": 1}


def test_an_absent_text_is_not_clean() -> None:
    assert value(Charset, None, "clean") == 0.0
