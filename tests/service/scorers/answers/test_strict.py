"""The strict profile: right on the whole corpus, on chosen pairs, and bounded on hostile ones."""

import random

import pytest

from tests.service.scorers.answers import corpus
from visreward_service.scorers.answers import strict
from visreward_service.scorers.answers.verdict import UnreadableGold


def test_it_is_right_on_the_whole_corpus() -> None:
    pairs = list(corpus.pairs())
    assert len(pairs) >= 3000
    mistakes = [
        pair for pair in pairs if (strict.judge(pair.given, pair.gold).score == 1.0) != pair.variant.right
    ]
    assert not mistakes


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_it_is_right_on_other_corpora_of_the_same_making(seed: int) -> None:
    for pair in corpus.pairs(seed, per_variant=200):
        assert (strict.judge(pair.given, pair.gold).score == 1.0) == pair.variant.right, pair


def test_the_shortcut_says_what_the_whole_comparison_says() -> None:
    rng = random.Random(3)
    texts = [
        "0",
        "-0",
        "7",
        "-7",
        "07",
        "7.0",
        "7.50",
        "7.5",
        ".5",
        "0.5",
        "B",
        "b",
        "x",
        "-",
        ".",
        "٣",
        "7.",
    ]
    num_settled = 0
    for _ in range(2000):
        given, gold = rng.choice(texts), rng.choice(texts)
        verdict = strict.settle(given, gold)
        if verdict is not None:
            num_settled += 1
            assert verdict.score == strict.judge(given, gold).score, (given, gold)
    assert num_settled > 500


@pytest.mark.parametrize(
    ("given", "gold"),
    [
        ("5 square centimeters", "5 cm^2"),
        ("[[1,2],[3,4]]", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}"),
        ("x>-2", "-2x<4"),
        ("1 km/min", "60 km/h"),
        ("90 minutes", "1 1/2 hours"),
        ("f(x)=x*x", "f(x)=x^2"),
        ("x^2", "f(x)=x^2"),
        ("2+3=5", "5"),
        ("area = 5", "5"),
        ("green, blue, red", "red, blue and green"),
        ("\\{\\}", "\\emptyset"),
        ("[1,2]", "x \\in [1,2]"),
        ("12 m", "12m"),
        ("2 n", "2n"),
        ("n*(n-1)!", "n!"),
        ("0.\\overline{3}", "1/3"),
        ("\\frac12", "1/2"),
        ("|{-x}|", "|x|"),
        ("2i", "\\sqrt{-4}"),
        ("-1", "e^{i\\pi}"),
        ("2^{1/3}", "\\sqrt[3]{2}"),
        ("-2", "\\sqrt[3]{-8}"),
        ("10", "\\binom{5}{2}"),
        ("25", "25^{\\circ}C"),
        ("1.2 million", "1200000"),
        ("1 234 567", "1234567"),
        ("(3,4),(1,2)", "(1,2),(3,4)"),
        ("\\boldsymbol{5}", "5"),
        ("$$5$$", "5"),
        ("**5**", "5"),
    ],
)
def test_these_are_the_same(given: str, gold: str) -> None:
    assert strict.judge(given, gold).score == 1.0


@pytest.mark.parametrize(
    ("given", "gold"),
    [
        ("", "5"),
        ("2", "2n"),
        ("x<-2", "-2x<4"),
        ("2+2=5", "5"),
        ("2x+1=5", "5"),
        ("€5", "$5"),
        ("5 pears", "5 apples"),
        ("(1,2)", "[1,2]"),
        ("(1,2)", "1, 2"),
        ("2, 2", "2"),
        ("100!+1", "100!"),
        ("1/(1-1)", "1"),
        ("a cat on a mat", "a cat on the mat"),
        ("1, 2, 3, 4", "4"),
        ("5 or 6", "5"),
        ("10^{100}+1", "10^{100}"),
        ("\\sqrt{2}+10^{-30}", "\\sqrt{2}"),
    ],
)
def test_these_are_not_the_same(given: str, gold: str) -> None:
    assert strict.judge(given, gold).score == 0.0


@pytest.mark.parametrize(
    "gold", ["", " ", "\\int_0^1 x dx", "9^{9^{9^9}}", "\\frac{1}{", "((1)", "1 + + \\", "9" * 100_000]
)
def test_a_gold_answer_that_cannot_be_read_or_computed_gives_no_verdict(gold: str) -> None:
    with pytest.raises(UnreadableGold):
        strict.judge("5", gold)


HOSTILE = [
    "9**9**9**9",
    "9^{9^{9^{9}}}",
    "(x+1)^{5000}",
    "\\frac{" * 10_000,
    "\\frac{1}{" * 10_000 + "1" + "}" * 10_000,
    "(" * 10_000 + "1" + ")" * 10_000,
    "9" * 100_000,
    "1" + "0" * 3_900,
    "100000!",
    "2000!" * 100,
    "\\sqrt{" * 45 + "2" + "}" * 45,
    "sin(" * 45 + "2" + ")" * 45,
    "1+" * 900 + "1",
    "x" * 1_900,
    "1/" * 900 + "1",
    "-" * 1_900 + "1",
    "2^" * 900 + "1",
    "5" + "!" * 1_900,
    "5" + "%" * 1_900,
    "\\begin{pmatrix}" + "1&" * 4_000 + "1\\end{pmatrix}",
    "\\begin{pmatrix}" + "1\\\\" * 4_000 + "1\\end{pmatrix}",
    "1," * 2_000,
    "\\{" + "1," * 2_400 + "1\\}",
    "\\cup" * 1_000,
    "=" * 4_000,
    "1<" * 1_500 + "2",
    "\\text{" * 700,
    "\\pm" * 1_500,
    "5 " + "a" * 4_900,
    "5" + " cm" * 1_500,
    "$" * 5_000,
    "\u202e\u200b" * 2_400,
    "５" * 4_000,
    "a" * 50 + "!" * 50,
    "10^{-10^{10}}",
    "\\log(\\log(\\log(1)))",
    "0^0",
    "0^{-1}",
    "1/0",
    "\\infty - \\infty",
    "e^{e^{e^{e^{9}}}}",
    "\\binom{10^9}{10^8}",
    "1e99999",
    "x_{" * 1_500,
    "|" * 4_999,
]


@pytest.mark.parametrize("given", HOSTILE, ids=lambda text: text[:20])
def test_hostile_answers_get_a_verdict(given: str) -> None:
    assert strict.judge(given, "5").score == 0.0
    assert strict.judge(given, "x^2+y=3").score == 0.0


def test_random_strings_get_a_verdict_or_an_unreadable_gold_and_nothing_else() -> None:
    rng = random.Random(11)
    pieces = [
        *("1", "2", "0.5", "1,000", "x", "y", "e", "i", "cat", "cm", "and", "or", "½", "²", "\u200b"),
        *"{}()[],;=<+-*/^_!%|'&:$.",
        *(
            "\\pi",
            "\\frac",
            "\\{",
            "\\}",
            "\\le",
            "\\sqrt",
            "\\text{",
            "\\pm",
            "\\\\",
            "\\cup",
            "\\in",
            "\\circ",
        ),
        *("\\begin{pmatrix}", "\\end{pmatrix}", "sin", "log", "\\infty", " "),
    ]
    for _ in range(4000):
        given, gold = ("".join(rng.choices(pieces, k=rng.randint(0, 12))) for _ in range(2))
        try:
            strict.judge(given, gold)
        except UnreadableGold:
            continue


def test_every_readable_text_equals_itself() -> None:
    for pair in corpus.pairs(seed=1, per_variant=5):
        assert strict.judge(pair.gold, pair.gold).score == 1.0, pair.gold
