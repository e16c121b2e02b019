"""Q-Insight (arXiv:2503.22679, bytedance/Q-Insight@08308fd): its quirks, and what strict mends."""

import re

import pytest

from tests.service.recipes.published import judge, part

FORMAT = re.compile(
    r"^<think>\s*\n.*?\n\s*</think>\s*\n<answer>\s*\n\{[^\{\}]*\}\s*\n\s*</answer>\s*$",
    re.DOTALL | re.MULTILINE,
)


def write(content: str) -> str:
    return f"<think>\nI look.\n</think>\n<answer>\n{content}\n</answer>"


LAYOUTS = [
    write('{"rating": 3}'),
    write('{"rating": 3}').replace("\n", ""),
    write('{"rating": {"a": 3}}'),
    write("3"),
    write('{"rating": 3}') + "\n\n",
    "x" + write('{"rating": 3}'),
    write('{"rating": 3}').replace("</think>\n", "</think>"),
    write('{"rating":\n3}'),
]


@pytest.mark.parametrize("text", LAYOUTS)
def test_the_format_is_the_official_pattern(text: str) -> None:
    expected = float(FORMAT.fullmatch(text) is not None)
    assert part("q-insight/score", text, "format", extra={"score": 3}) == expected


@pytest.mark.parametrize(("rating", "right"), [("3.0", 1), ("3.3", 1), ("3.4", 0), ("2.7", 1), ("2.6", 0)])
def test_a_rating_is_right_less_than_the_threshold_away(rating: str, right: int) -> None:
    reward, parts = judge("q-insight/score", write(f'{{"rating": {rating}}}'), extra={"score": 3.0})
    assert parts["accuracy"] == right
    assert reward == right + 1


def test_a_rating_beyond_the_scale_counts_and_not_in_strict() -> None:
    text = write('{"rating": 5.3}')
    assert part("q-insight/score", text, "accuracy", extra={"score": 5}) == 1.0
    assert part("q-insight/score-strict", text, "accuracy", extra={"score": 5}) == 0.0


def test_strict_reads_the_last_tag() -> None:
    text = '<answer>{"rating": 1}</answer> no, <answer>{"rating": 3}</answer>'
    assert part("q-insight/score", text, "accuracy", extra={"score": 3}) == 0.0
    assert part("q-insight/score-strict", text, "accuracy", extra={"score": 3}) == 1.0


def test_strict_takes_the_layout_on_one_line() -> None:
    text = '<think>I look.</think><answer>{"rating": 3}</answer>'
    assert part("q-insight/score", text, "format", extra={"score": 3}) == 0.0
    assert part("q-insight/score-strict", text, "format", extra={"score": 3}) == 1.0


def test_an_unquoted_null_is_unreadable_and_means_null_in_strict() -> None:
    text = write('{"distortion_class": null, "severity": null}')
    extra = {"distortion_class": "null", "severity": "null"}
    assert part("q-insight/degradation", text, "accuracy", extra=extra) == 0.0
    assert part("q-insight/degradation-strict", text, "accuracy", extra=extra) == 1.0


@pytest.mark.parametrize(
    ("given", "paper", "strict"), [("Image B", 1, 1), ("image b.", 0, 1), ("Image A", 0, 0), ("", 0, 0)]
)
def test_a_comparison_is_exact_and_forgiving_in_strict(given: str, paper: int, strict: int) -> None:
    assert part("q-insight/comparison", write(given), "accuracy", answer="Image B") == paper
    assert part("q-insight/comparison-strict", write(given), "accuracy", answer="Image B") == strict
