"""The `tags` scorer against Python's own `re`."""

import random
import re
from typing import Any

import pytest

from visreward.protocol import Item
from visreward_service.scorers.base import Catalog, Subject
from visreward_service.scorers.tags import Tags, TagsParams

GAPS = {"nothing": "", "space": r"\s*", "anything": ".*?"}


def run(text: str | None, **params: Any) -> float:
    scorer = Tags(TagsParams.model_validate({"text": "piece", **params}), Catalog())
    return scorer.finish(Subject(Item(id="1", completion=""), {"piece": text}), {}).values["format"]


def make_text(rng: random.Random) -> str:
    units = ["<think>", "</think>", "<answer>", "</answer>", " ", "\n", "x", "<THINK>", "</Answer>"]
    if rng.random() < 0.5:
        frame = ["", "<think>", "x", "</think>", "", "<answer>", "y", "</answer>", ""]
        return "".join(part + (rng.choice(units) if rng.random() < 0.2 else "") for part in frame)
    return "".join(rng.choice(units) for _ in range(rng.randrange(12)))


@pytest.mark.parametrize("between", GAPS)
@pytest.mark.parametrize("around", GAPS)
@pytest.mark.parametrize("ignore_case", [False, True])
def test_a_layout_is_found_where_re_finds_it(between: str, around: str, ignore_case: bool) -> None:
    rng = random.Random(f"{between}{around}{ignore_case}")
    pattern = f"<think>.*?</think>{GAPS[between]}<answer>.*?</answer>"
    oracle = re.compile(
        GAPS[around] + pattern + GAPS[around], re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    )
    found = set()
    for _ in range(2000):
        text = make_text(rng)
        expected = 1.0 if oracle.fullmatch(text) else 0.0
        assert run(text, between=between, around=around, ignore_case=ignore_case) == expected, repr(text)
        found.add(expected)
    assert found == {0.0, 1.0}


def test_the_default_layout_is_think_and_answer_and_nothing_else() -> None:
    assert run("<think>a</think>\n<answer>b</answer>") == 1.0
    assert run("<think>a</think>\n<answer>b</answer>\n") == 0.0
    assert run("<think>a</think> so <answer>b</answer>") == 0.0
    assert run(None) == 0.0


def test_tags_that_stand_there_twice_can_be_refused() -> None:
    text = "<think>a</think><answer>b</answer><answer>c</answer>"
    assert run(text) == 1.0
    assert run(text, once=True) == 0.0
    assert run("<think>a</think><answer>b</answer>", once=True) == 1.0


def test_a_layout_may_have_any_tags() -> None:
    layout = ["plan", "zoom", "plan"]
    assert run("<plan>1</plan><zoom>2</zoom> <plan>3</plan>", layout=layout, once=True) == 1.0
    assert run("<plan>1</plan><zoom>2</zoom>", layout=layout) == 0.0
    assert run("<a.b>1</a.b>", layout=["a.b"]) == 1.0
    assert run("<axb>1</axb>", layout=["a.b"]) == 0.0


@pytest.mark.parametrize("unit", ["<think>", "</think> ", "</think>\n<answer>", " "])
def test_hostile_texts_are_read_in_linear_time(unit: str) -> None:
    run("<think>" + (unit * 200_000)[:200_000], around="anything")
