"""The `length` scorer against its four formulas."""

import math
from typing import Any

import pytest
from pydantic import ValidationError

from visreward.protocol import Code, Item
from visreward_service.scorers.base import Catalog, Fault, Score, Subject
from visreward_service.scorers.length import Length, LengthParams

CATALOG = Catalog(tokenizers={"words": lambda text: len(text.split())})


def run(tokens: int | None, text: str | None = "", **params: Any) -> Score:
    scorer = Length(LengthParams.model_validate(params), CATALOG)
    item = Item(id="1", completion=text or "", completion_tokens=tokens)
    return scorer.finish(Subject(item, {"completion": text}), {})


def value(tokens: int, **params: Any) -> float:
    return run(tokens, **params).values["length"]


@pytest.mark.parametrize(
    ("tokens", "expected"), [(0, 1.0), (512, 1.0), (513, 512 / 513.00001), (1024, 512 / 1024.00001)]
)
def test_the_ratio_is_that_of_pebr_r1(tokens: int, expected: float) -> None:
    assert value(tokens, shape="ratio", expected_tokens=512) == expected


@pytest.mark.parametrize(
    ("tokens", "expected"), [(0, 0.0), (768, 0.0), (896, -0.5), (1024, -1.0), (1025, -1.0), (9999, -1.0)]
)
def test_the_overlong_punishment_is_that_of_dapo(tokens: int, expected: float) -> None:
    assert value(tokens, shape="overlong", max_tokens=1024, buffer_tokens=256) == expected


def test_the_cosine_has_a_branch_for_correct_and_one_for_wrong() -> None:
    shape: dict[str, Any] = {
        "shape": "cosine",
        "max_tokens": 1024,
        "correct": [1.0, 0.5],
        "wrong": [-0.5, 0.0],
    }
    assert run(0, **shape).values == {"correct": 1.0, "wrong": -0.5, "tokens": 0.0}
    half = run(512, **shape).values
    assert half["correct"] == pytest.approx(0.75)
    assert half["wrong"] == pytest.approx(-0.25)
    for tokens in (100, 333, 900):
        expected = 1.0 - 0.5 * (1 - math.cos(math.pi * tokens / 1024)) / 2
        assert run(tokens, **shape).values["correct"] == pytest.approx(expected)


def test_the_cosine_does_not_begin_again_beyond_its_end() -> None:
    shape: dict[str, Any] = {
        "shape": "cosine",
        "max_tokens": 1024,
        "correct": [1.0, 0.5],
        "wrong": [-0.5, 0.0],
    }
    assert run(2048, **shape).values == {**run(1024, **shape).values, "tokens": 2048.0}
    exceeded = run(1024, **shape, exceeded=-10.0).values
    assert (exceeded["correct"], exceeded["wrong"]) == (-10.0, -10.0)
    assert run(1023, **shape, exceeded=-10.0).values["correct"] > 0.49


def test_the_line_runs_from_its_start_to_its_end() -> None:
    shape: dict[str, Any] = {"shape": "linear", "start_tokens": 100, "end_tokens": 300}
    assert [value(tokens, **shape) for tokens in (0, 100, 200, 300, 400)] == [1.0, 1.0, 0.5, 0.0, 0.0]
    assert value(200, **shape, at_start=0.0, at_end=-1.0) == -0.5


def test_a_named_tokenizer_counts_a_piece_of_the_text() -> None:
    score = run(None, "a b c", shape="ratio", expected_tokens=2, tokenizer="words")
    assert score.details == {"tokens": 3}
    assert run(None, None, shape="ratio", expected_tokens=2, tokenizer="words").details == {"tokens": 0}
    with pytest.raises(ValueError, match='unknown tokenizer "qwen"; the settings name words'):
        run(None, shape="ratio", expected_tokens=2, tokenizer="qwen")


def test_a_length_is_never_guessed() -> None:
    with pytest.raises(Fault) as caught:
        run(None, shape="ratio", expected_tokens=512)
    assert (caught.value.code, caught.value.field) == (Code.MISSING_FIELD, "completion_tokens")


@pytest.mark.parametrize(
    "params",
    [
        {"shape": "round"},
        {"shape": "ratio"},
        {"shape": "ratio", "expected_tokens": 0},
        {"shape": "ratio", "expected_tokens": 512, "max_tokens": 9},
        {"shape": "overlong", "max_tokens": 9, "buffer_tokens": 10},
        {"shape": "linear", "start_tokens": 9, "end_tokens": 9},
        {"shape": "cosine", "max_tokens": 9, "correct": [1.0], "wrong": [0.0, 0.0]},
    ],
)
def test_parameters_belong_to_their_shape(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LengthParams.model_validate(params)
