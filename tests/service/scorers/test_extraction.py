"""Finding the answer in a completion, and doing so in linear time."""

import random

import pytest

from visreward_service.scorers.extraction import (
    METHODS,
    Extracted,
    after_hashes,
    announced,
    boxed,
    extract,
    last_line,
    tagged,
)


@pytest.mark.parametrize(
    ("text", "last", "first"),
    [
        (r"so \boxed{42}", "42", "42"),
        (r"\boxed{1} then \boxed{2}", "2", "1"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}", r"\frac{1}{2}"),
        (r"\boxed{\boxed{5}}", "5", r"\boxed{5}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}", r"\{1,2\}"),
        (r"\boxed{}", "", ""),
        (r"\boxed{ 7 }", " 7 ", " 7 "),
        (r"\boxed{1} and \boxed{2", None, "1"),
        ("no box", None, None),
        ("", None, None),
    ],
)
def test_a_box_is_read_with_balanced_braces(text: str, last: str | None, first: str | None) -> None:
    assert boxed(text) == last
    assert boxed(text, "first") == first


def test_the_last_box_is_the_one_that_mathruler_takes() -> None:
    grader = pytest.importorskip("mathruler.grader")
    rng = random.Random(5)
    pieces = ["\\boxed{", "{", "}", "x", " ", "\\boxed{4}", "\\frac{1}{2}", "\\}"]
    for _ in range(3000):
        text = "".join(rng.choices(pieces, k=rng.randint(0, 12)))
        found = boxed(text)
        assert ("None" if found is None else found.strip()) == grader.extract_boxed_content(text)


@pytest.mark.parametrize(
    ("text", "last", "first"),
    [
        ("<answer>4</answer>", "4", "4"),
        ("<ANSWER>4</Answer>", "4", "4"),
        ("<answer>1</answer> no: <answer>2</answer>", "2", "1"),
        ("<think><answer>1</think><answer>2</answer>", "2", "1</think><answer>2"),
        ("<answer>\n4\n</answer>", "\n4\n", "\n4\n"),
        ("<answer>4", None, None),
        ("4</answer>", None, None),
        ("<answer></answer>", "", ""),
    ],
)
def test_a_tag_is_read_across_lines(text: str, last: str | None, first: str | None) -> None:
    assert tagged(text) == last
    assert tagged(text, which="first") == first


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The final answer is 12.", "12."),
        ("The answer is: **B**", "B"),
        ("**Answer:** 7 cm\nThank you", "7 cm"),
        ("answer: 1\nlater the correct answer is 2", "2"),
        ("The answer to the question about cats is no", "no"),
        ("### The final answer is:\n42\nDone", "42"),
        ("The answer should be 3:4", "3:4"),
        ("Answer = 5", "5"),
        ("There is no announcement here", None),
        ("The answer is", None),
        ("answers vary", None),
    ],
)
def test_an_announcement_gives_the_rest_of_its_line(text: str, answer: str | None) -> None:
    assert announced(text) == answer


def test_hashes_give_the_rest_of_their_line() -> None:
    assert after_hashes("5 + 5 = 10\n#### 10\n") == "10"
    assert after_hashes("#### \nnothing") is None


def test_the_last_line_is_the_last_that_is_not_blank() -> None:
    assert last_line("a\n\n **b** \n \n") == "b"
    assert last_line(" \n ") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"<answer>3</answer> \boxed{4}", Extracted("4", "boxed")),
        ("<answer>The answer is 3</answer>", Extracted("3", "tag+phrase")),
        ("<answer>3</answer>\nbye", Extracted("3", "tag")),
        ("The answer is 3\nbye", Extracted("3", "phrase")),
        ("#### 3\nbye", Extracted("3", "hashes")),
        ("first\n3", Extracted("3", "last_line")),
        (r"\boxed{} and the answer is 3", Extracted("3", "phrase")),
        ("", None),
        (" \n ", None),
    ],
)
def test_auto_takes_the_most_explicit_place(text: str, found: Extracted | None) -> None:
    assert extract(text) == found


def test_nothing_but_white_space_is_no_answer() -> None:
    assert extract(r"\boxed{ }", "boxed") is None
    assert extract(" ", "whole") is None


HOSTILE = [
    "\\boxed{" * 28_000,
    "\\boxed{" + "{" * 200_000,
    "<answer>" * 25_000,
    "</answer>" * 22_000,
    "<answer></answer>" * 11_000,
    "answer " * 28_000,
    "the answer to " * 14_000,
    "final " * 33_000,
    " " * 200_000,
    "\n" * 200_000,
    "*" * 200_000,
    "####" * 50_000,
    "answer" + " " * 200_000,
    "the answer is " * 14_000,
]


@pytest.mark.parametrize("method", [*METHODS, "auto"])
def test_hostile_text_of_the_largest_size_is_got_through(method: str) -> None:
    for text in HOSTILE:
        found = extract(text, method)  # type: ignore[arg-type]
        assert found is None or len(found.text) <= len(text)
