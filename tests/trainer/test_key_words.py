"""Key words of captions."""

import json
from pathlib import Path

import pytest

from visreward_trainer.errors import DataError
from visreward_trainer.key_words import add_key_words, find_key_words


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        (
            "Two small red circles stand to the left of a blue square.",
            "two small red circle stand left blue square",
        ),
        ("The image shows a dog, and the dogs' dishes on boxes.", "dog dish box"),
        ("A bus by the glass of the iris.", "bus glass iris"),
        ("12 berries at 3.5 km", "12 berry 3.5"),
        ("", ""),
        ("The of and.", ""),
    ],
)
def test_the_words_that_carry_content_are_kept_in_order(caption: str, words: str) -> None:
    assert find_key_words(caption) == words.split()


def test_a_long_caption_gives_no_more_words_than_asked_for() -> None:
    assert find_key_words("alpha beta gamma delta", max_words=2) == ["alpha", "beta"]


def test_lines_get_key_words_and_keep_those_that_they_have(tmp_path: Path) -> None:
    data, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [{"caption": "A red ring."}, {"caption": "A red ring.", "key_words": ["mine"]}]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert add_key_words(data, out, caption="caption") == 2
    found = [json.loads(line)["key_words"] for line in out.read_text(encoding="utf-8").splitlines()]
    assert found == [["red", "ring"], ["mine"]]


def test_a_line_without_a_caption_is_named(tmp_path: Path) -> None:
    data = tmp_path / "in.jsonl"
    data.write_text('{"caption": "A ring."}\n{"text": "A ring."}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"in\.jsonl:2: no object with a column 'caption'"):
        add_key_words(data, tmp_path / "out.jsonl", caption="caption")
