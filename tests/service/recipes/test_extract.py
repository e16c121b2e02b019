"""Named pieces: what each method cuts, what is taken where nothing is found, and what is refused."""

import random
import re
from typing import Any

import pytest

from visreward.protocol import Code, ExtractSpec, Item
from visreward_service.recipes.extract import ExtractError, build_extraction, tighten_tags
from visreward_service.scorers.base import Fault


def build_specs(**specs: dict[str, Any]) -> dict[str, ExtractSpec]:
    return {name: ExtractSpec.model_validate(spec) for name, spec in specs.items()}


def cut(completion: str, prompt: str | None = None, **specs: dict[str, Any]) -> dict[str, str | None]:
    item = Item(id="1", completion=completion, prompt=prompt)
    return dict(build_extraction(build_specs(**specs)).cut(item))


def cut_one(completion: str, **spec: Any) -> str | None:
    return cut(completion, piece=spec)["piece"]


REPORT = "### Image Description:\n A cat. \n###rationales: because\n### The final answer is:\n\n 42 \nbye"


def test_between_runs_from_a_heading_to_the_nearest_one_behind_it() -> None:
    spec = ["### Image Description:", "### Rationales:"]
    assert cut_one(REPORT, between=spec) == "A cat."
    assert cut_one(REPORT, between=spec, strip=False) == "\n A cat. \n"
    assert cut_one(REPORT, between=spec, ignore_case=False) is None
    assert cut_one("### Rationales: ### Image Description: A cat.", between=spec) is None
    assert cut_one("###ImageDescription:a### Rationales:", between=spec) == "a"


def test_after_runs_to_the_end_of_the_text_or_of_the_first_line_with_text() -> None:
    assert cut_one(REPORT, after="### The final answer is:") == "42 \nbye"
    assert cut_one(REPORT, after="### The final answer is:", line=True) == "42"
    assert cut_one(REPORT, after="### Nothing:") is None
    assert cut_one("Answer: 1\nAnswer: 2\n", after="Answer:", line=True, which="last") == "2"


def test_a_tag_holds_what_stands_up_to_its_nearest_end() -> None:
    text = "<answer> 1 </answer> x </answer> <ANSWER>2</Answer> <answer>3"
    assert cut_one(text, tag="answer") == "1"
    assert cut_one(text, tag="answer", which="last") == "2"
    assert cut_one(text, tag="answer", which="last", ignore_case=False) == "1"
    assert cut_one("<answer>", tag="answer") is None


def test_a_box_is_balanced() -> None:
    text = r"\boxed{1} and \boxed{\frac{1}{2}} }"
    assert cut_one(text, boxed="last") == r"\frac{1}{2}"
    assert cut_one(text, boxed="first") == "1"
    assert cut_one(r"\boxed{1} \boxed{{2}", boxed="last") is None
    assert cut_one("no box", boxed="last") is None


def test_a_regex_gives_group_one_or_the_whole_match() -> None:
    assert cut_one("a1 b2", regex=r"([a-z])\d") == "a"
    assert cut_one("a1 b2", regex=r"[A-Z]\d") == "a1"
    assert cut_one("a1 b2", regex=r"[A-Z]\d", ignore_case=False) is None
    assert cut_one("a1 b2", regex=r"[a-z](\d)", which="last") == "2"
    assert cut_one("a\nb", regex="a(.*)b") == ""
    assert cut_one("a\nb", regex="a(.*)b", dot_all=False) is None
    assert cut_one("b", regex="(a)|b", absent="none") == "none"


def test_a_replacement_comes_before_stripping() -> None:
    assert cut_one("x a / b x", whole=True, replace=["x", " "]) == "a / b"
    assert cut_one(" a / b ", whole=True, replace=[r"(\w) / (\w)", r"\2 / \1"], strip=False) == " b / a "


def test_a_piece_is_cut_from_another_piece_or_from_the_prompt() -> None:
    pieces = cut(
        "<think>x=1</think><answer>\\boxed{2}</answer>",
        prompt="Question: why?",
        answer={"tag": "answer"},
        number={"from": "answer", "boxed": "last"},
        question={"from": "prompt", "after": "Question:"},
        missing={"from": "answer", "tag": "think"},
    )
    assert pieces["number"] == "2"
    assert pieces["question"] == "why?"
    assert pieces["missing"] is None


def test_what_is_not_found_is_absent_or_what_the_recipe_says() -> None:
    assert cut_one("text", tag="answer") is None
    assert cut_one("text", tag="answer", absent="") == ""
    pieces = cut(
        " text ",
        whole={"whole": True},
        answer={"tag": "answer", "absent_from": "whole"},
        inner={"from": "question", "boxed": "last", "absent": "none"},
        question={"from": "prompt", "whole": True},
    )
    assert pieces["answer"] == "text"
    assert pieces["inner"] == "none"
    assert pieces["question"] is None


def test_every_piece_is_listed_beside_completion_and_prompt() -> None:
    pieces = cut("text", piece={"whole": True})
    assert list(pieces) == ["completion", "prompt", "piece"]
    assert pieces["completion"] == "text"


def test_tightening_tags_is_what_re_makes_of_it() -> None:
    rng = random.Random(3)
    alphabet = [
        "<",
        ">",
        "/",
        " ",
        "\n",
        "\t",
        "\x1c",
        "\x1f",
        "\x85",
        "\xa0",
        "\u3000",
        "\u200b",
        "a",
        "é",
        "<b>",
    ]
    for _ in range(20_000):
        text = "".join(rng.choice(alphabet) for _ in range(rng.randrange(14)))
        assert tighten_tags(text) == re.sub(r"\s*(<|>|/)\s*", r"\1", text), repr(text)
    assert tighten_tags("A red cube / a blue ball.") == "A red cube/a blue ball."


HEADINGS = {"between": ["### Image Description:", "### Rationales:"]}
CAPTION = {"regex": r"###\s*Image Description:\s*(.*?)###\s*Rationales:"}
CLEAN = {"whole": True, "replace": [r"\s*(<|>|/)\s*", r"\1"]}


@pytest.mark.parametrize(
    "spec", [HEADINGS, CAPTION, CLEAN, {"tag": "answer"}, {"boxed": "last"}, {"boxed": "first"}]
)
@pytest.mark.parametrize(
    "unit",
    [" ", "### Image Description: ", "<answer>", "\\boxed{", "{", "### ", "/ ", "#", "\u3000", "</answer>"],
)
def test_hostile_texts_are_cut_within_the_limit(spec: dict[str, Any], unit: str) -> None:
    text = (unit * 200_000)[:200_000]
    # The limit raises; these patterns are read in linear time and never come near it.
    cut_one(text, **spec)


def test_a_pattern_that_runs_away_costs_its_item_an_error_that_names_it() -> None:
    extraction = build_extraction(build_specs(slow={"regex": r"(x+x+)+y"}), limit_seconds=0.05)
    pieces = extraction.cut(Item(id="1", completion="x" * 5000))
    with pytest.raises(Fault, match=r'extractor "slow"') as caught:
        pieces["slow"]
    assert caught.value.code is Code.RULE_TIMEOUT


def test_patterns_of_one_item_share_one_limit() -> None:
    specs = {f"slow{index}": {"regex": rf"(x+x+)+[yz{index}]"} for index in range(3)}
    pieces = build_extraction(build_specs(**specs), limit_seconds=0.05).cut(
        Item(id="1", completion="x" * 5000)
    )
    for name in specs:
        with pytest.raises(Fault, match=name):
            pieces[name]


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ({"a": {"from": "b", "whole": True}, "b": {"from": "a", "whole": True}}, "cycle: a -> b -> a"),
        ({"a": {"from": "a", "whole": True}}, "cycle: a -> a"),
        ({"a": {"whole": True, "absent_from": "b"}, "b": {"from": "a", "whole": True}}, "cycle"),
        ({"a": {"from": "complete", "whole": True}}, 'unknown piece "complete"; nearest: completion'),
        ({"a": {"regex": "("}}, "missing \\)"),
        ({"a": {"regex": "(?i)a"}}, "not supported"),
        ({"a": {"whole": True, "replace": ["a", r"\1"]}}, "group 1"),
        ({"a": {"whole": True, "replace": ["(", ""]}}, "missing \\)"),
        ({"prompt": {"whole": True}}, "every item has"),
        ({"a": {"after": "  "}}, "empty heading"),
        ({"a": {"regex": "a" * 5000}}, "longer than"),
        ({f"a{index}": {"whole": True} for index in range(33)}, "more than 32"),
    ],
)
def test_a_wrong_extractor_is_refused(specs: dict[str, dict[str, Any]], message: str) -> None:
    with pytest.raises(ExtractError, match=message):
        build_extraction(build_specs(**specs))


def test_patterns_that_are_too_large_together_are_refused() -> None:
    specs = {f"a{index}": {"regex": rf"\b\w+\b{index}"} for index in range(12)}
    with pytest.raises(ExtractError, match=r"too large together"):
        build_extraction(build_specs(**specs))


@pytest.mark.parametrize(
    "spec", [{}, {"whole": True, "tag": "a"}, {"whole": True, "absent": "", "absent_from": "completion"}]
)
def test_an_extractor_has_one_method_and_one_substitute(spec: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"exactly one|not both"):
        ExtractSpec.model_validate(spec)
