"""The shortcuts beside the reference graders say what the graders say, on thousands of generated pairs."""

import random
from collections.abc import Iterator

import pytest

from visreward_service.scorers.answers import graders
from visreward_service.scorers.answers.verdict import UnreadableGold

WORDS = [
    *(
        "yes",
        "no",
        "Yes",
        "cat",
        "None",
        "(1,2)",
        "[1,2)",
        "1,2",
        "x=3",
        "x+1",
        "1+x",
        "2x",
        "ab",
        "ba",
        "red ball",
    ),
    *(
        "\\sqrt{2}",
        "\\sqrt2",
        "10^{2}",
        "5\\%",
        ".5",
        "0.5",
        "1/2",
        "2/4",
        "\\frac12",
        "(A)",
        "(B)",
        "B.",
        "{3}",
    ),
    *(
        "\\text{cat}",
        "3cm",
        "\\pi",
        "1e3",
        "inf",
        "nan",
        "0x1f",
        "1_000",
        "٣",
        "²",
        "x",
        "e",
        "i",
        "12^\\circ",
    ),
    *(
        "\\$5",
        "-0",
        "+0",
        "--1",
        "",
        " ",
        "5 and 6",
        "5 or 6",
        "12 degrees",
        "1 1/2",
        "3 million",
        "- 5",
        "( 1 , 2 )",
    ),
]


def plain_number(rng: random.Random) -> str:
    number = rng.choice((0, 1, 2, 5, 7, 10, 42, 100, rng.randrange(10 ** rng.randint(1, 15))))
    signed = number * rng.choice((1, -1))
    return rng.choice(
        (
            f"{signed}",
            f"{signed:03d}",
            f"{signed}.0",
            f"{signed}.{rng.randrange(10 ** rng.randint(1, 7))}",
            f"{signed}.00000001",
            f"{signed}.0000002",
            f" {signed} ",
            f"{signed:+d}",
            f"{signed:,}",
            f"{signed}%",
            f"\\frac{{{signed}}}{{{rng.randint(1, 9)}}}",
            f"{signed}/{rng.randint(1, 5)}",
            f"${signed}$",
        )
    )


def texts(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yield pairs of which many are nearly the same."""
    while True:
        given = plain_number(rng) if rng.random() < 0.6 else rng.choice((*WORDS, rng.choice("ABCDeiNx")))
        kind = rng.random()
        if kind < 0.1:
            gold = given
        elif kind < 0.5:
            gold = (
                given + rng.choice(("0", ".0", " ", "00000001", "1", "."))
                if rng.random() < 0.7
                else given.strip("0")
            )
        else:
            gold = plain_number(rng) if rng.random() < 0.5 else rng.choice((*WORDS, rng.choice("ABCDeiNx")))
        yield given, gold


def test_the_shortcut_of_mathruler_says_what_mathruler_says() -> None:
    rng = random.Random(7)
    num_settled = 0
    for (given, gold), _ in zip(texts(rng), range(4000)):
        verdict = graders.settle_mathruler(given, gold)
        if verdict is not None:
            num_settled += 1
            assert verdict.score == graders.mathruler(given, gold).score, (given, gold)
    assert num_settled > 2500


def test_the_shortcut_of_math_verify_says_what_math_verify_says() -> None:
    rng = random.Random(8)
    num_settled = 0
    for (given, gold), _ in zip(texts(rng), range(4000)):
        given, gold = (rng.choice((text, text, f"${text}$", f"\\boxed{{{text}}}")) for text in (given, gold))
        verdict = graders.settle_math_verify(given, gold)
        if verdict is not None:
            num_settled += 1
            assert verdict.score == graders.math_verify(given, gold).score, (given, gold)
    assert num_settled > 400


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_shortcuts_hold_on_many_more_pairs(seed: int) -> None:
    rng = random.Random(seed)
    for (given, gold), _ in zip(texts(rng), range(20_000)):
        for settle, judge in (
            (graders.settle_mathruler, graders.mathruler),
            (graders.settle_math_verify, graders.math_verify),
        ):
            verdict = settle(given, gold)
            if verdict is not None:
                assert verdict.score == judge(given, gold).score, (given, gold)


@pytest.mark.parametrize(
    ("given", "gold", "score"),
    [
        ("1,234", "1234", 1.0),
        ("1,222,333,444", "1222333444", 0.0),
        ("\\frac{2}{4}", "\\frac{1}{2}", 0.0),
        ("0.5", "\\frac{1}{2}", 1.0),
        ("5 cm", "5 m", 0.0),
        ("5 cm", "5 meter", 1.0),
        ("50\\%", "50", 1.0),
        ("(b)", "B", 1.0),
        ("ba", "ab", 1.0),
        ("", "", 1.0),
        ("", "5", 0.0),
        ("10.00000001", "10", 1.0),
        ("2 \\sqrt{3}", "\\sqrt{12}", 1.0),
    ],
)
def test_mathruler_is_itself_with_its_quirks(given: str, gold: str, score: float) -> None:
    assert graders.mathruler(given, gold).score == score
    settled = graders.settle_mathruler(given, gold)
    assert settled is None or settled.score == score


@pytest.mark.parametrize(
    ("given", "gold", "score"),
    [
        ("so \\boxed{42}", "42", 1.0),
        ("$\\frac{2}{4}$", "$\\frac{1}{2}$", 1.0),
        ("$0.3333333$", "$\\frac{1}{3}$", 1.0),
        ("9\\%", "9", 1.0),
        ("no number", "42", 0.0),
        ("", "42", 0.0),
    ],
)
def test_math_verify_is_itself_with_its_quirks(given: str, gold: str, score: float) -> None:
    assert graders.math_verify(given, gold).score == score


@pytest.mark.parametrize("gold", ["cat", "", "(A)", "\\sqrt{3}"])
def test_a_gold_answer_in_which_math_verify_finds_nothing_is_unreadable(gold: str) -> None:
    with pytest.raises(UnreadableGold):
        graders.math_verify("$1$", gold)


def test_long_texts_are_left_to_a_worker() -> None:
    assert graders.settle_mathruler("1+" * 200 + "1", "201") is None
    assert graders.settle_mathruler("9" * 100_000, "9") is None


def test_nested_commands_are_left_to_a_worker_for_they_take_twice_as_long_per_level() -> None:
    assert graders.settle_mathruler("\\frac{" * 26, "5") is None
    assert graders.settle_mathruler("5", "\\sqrt[" * 26) is None


@pytest.mark.parametrize("reading", ["latex_given", "latex"])
def test_numbers_settled_for_a_reading_of_latex_are_settled_as_math_verify_would(
    reading: graders.Reading,
) -> None:
    texts = ["42", "\\boxed{42}", "$42$", "\\boxed{4.5}", "\\boxed{ -7 }", "\\boxed{-7}", "the answer is 42"]
    settled = 0
    for given in texts:
        for gold in texts:
            found = graders.settle_math_verify(given, gold, reading)
            if found is not None:
                settled += 1
                assert found.score == graders.math_verify(given, gold, reading).score, (given, gold)
    assert settled >= 16
