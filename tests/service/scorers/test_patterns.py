"""Patterns that can be stopped mean what Python's `re` means, and are stopped."""

import random
import re

import pytest

from visreward.protocol import Code
from visreward_service.scorers.base import Fault
from visreward_service.scorers.patterns import Budget, compile_pattern, compile_replacement

EVERY_CHARACTER = "".join(map(chr, range(0x110000)))
ALPHABET = [
    *"aAbBcCxXyYzZiIıİsSſkKKßẞµΜéÉ0129²٣ ,._-{}[]()|#\n\r\t\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0",
    *"\u1680\u180e\u2003\u2028\u202f\u3000\u200b\ufeff日本\u0301@αΩωἀᾀꭰᏸΐΐŉǅǆͅιﬅﬆ𐐀𐐨𐐁",
    *("cat", "word", "xx", "ab", "### Image Description:", "### Rationales:", "</answer>", "<answer>"),
]
PATTERNS = [
    r"\s+",
    r"\bword\b",
    r"\B.",
    r"[^\S\n]+",
    r"\w+@\w+",
    r"i+",
    r"(?:S|k)\d*",
    r"[a-z]+",
    r"[^a-z]+",
    r"[à-þ]+",
    r"[Α-ω]+",
    r"[ŉ-ƿ]",
    r"[𐐀-𐐁]",
    r"x{2,3}y?",
    r"a{,2}b",
    r"a{x}",
    r"x{}",
    r"[]a]+",
    r"[^]a]+",
    r"[\w.-]+",
    r"[a\-z]",
    r"[\W_]+",
    r"[^\W\d]+",
    r"[\x1c-\x1f]",
    r"\u00e9|\xe9",
    r"(a)|b",
    r"(?:(a)|b)*",
    r"\d+$",
    r"^\s*(.*?)\s*$",
    r"a.c",
    r"(?<=\s)\S+",
    r"(?<!\w)cat(?!\w)",
    r"\Acat|word\Z",
    r"(?P<letter>\w)x",
    r"x*",
    r"a*?b",
    r"(?>a+)b",
    r"a++b",
    r"[ſk]",
    r"ß|İ|µ|ΐ|ﬅ|ǅ|ͅ",
    r"ᏸ|ꭰ|Ꭰ",
    r"\.\{\(|\{|\}",
    r"###\s*Image Description:\s*(.*?)###\s*Rationales:",
    r"<answer>(.*?)</answer>",
    r"a+(.*?)a+",
    r"\s*(.*?)\s+b",
    r"a*(.*?)ab",
    r"a.*(.*?)b",
    r"a[^b]*(.*?) b",
    r"a(.*?)",
]


@pytest.mark.parametrize("source", PATTERNS)
@pytest.mark.parametrize("ignore_case", [False, True])
@pytest.mark.parametrize("dot_all", [False, True])
def test_a_pattern_finds_what_re_finds(source: str, ignore_case: bool, dot_all: bool) -> None:
    rng = random.Random(f"{source}{ignore_case}{dot_all}")
    pattern = compile_pattern(source, ignore_case=ignore_case, dot_all=dot_all)
    oracle = re.compile(source, (re.IGNORECASE if ignore_case else 0) | (re.DOTALL if dot_all else 0))
    for _ in range(150):
        text = "".join(rng.choice(ALPHABET) for _ in range(rng.choice([0, 1, 3, 8, 40])))
        matches = [
            (found.start(), found.end(), found[1 if oracle.groups else 0]) for found in oracle.finditer(text)
        ]
        budget = Budget(10)
        first = pattern.search(text, budget, "test")
        last = pattern.search_last(text, budget, "test")
        assert (first and (first.start, first.end, first.text)) == (matches[0] if matches else None), repr(
            text
        )
        assert (last and (last.start, last.end, last.text)) == (matches[-1] if matches else None), repr(text)


@pytest.mark.parametrize(
    ("source", "ignore_case"),
    [
        *((source, False) for source in (r"\s", r"\S", r"\d", r"\w", r"[^\d]", ".")),
        *((source, True) for source in (r"\W", "[a-z]", "[^a-z]", "[À-ſ]", "i", "k", "s", "µ")),
    ],
)
def test_a_class_takes_the_characters_that_re_takes_of_all_there_are(source: str, ignore_case: bool) -> None:
    compiled = compile_pattern(source, ignore_case=ignore_case).compiled
    expected = re.findall(source, EVERY_CHARACTER, re.IGNORECASE if ignore_case else 0)
    assert compiled.findall(EVERY_CHARACTER) == expected


@pytest.mark.parametrize(
    ("source", "template"),
    [
        (r"\s*(<|>|/)\s*", r"\1"),
        (r"a", r"[\g<0>]"),
        (r"a", r"\\n\n\t"),
        (r"a", ""),
        (r"x*", "-"),
        (r"(a)|(b)", r"(\1|\2)"),
        (r"\b", "|"),
    ],
)
def test_a_substitution_makes_what_re_sub_makes(source: str, template: str) -> None:
    rng = random.Random(source)
    pattern = compile_pattern(source)
    replacement = compile_replacement(template, pattern)
    for _ in range(200):
        text = "".join(rng.choice([*"aabbx <>/\n", "\x1c", "\xa0"]) for _ in range(rng.randrange(20)))
        assert pattern.substitute(replacement, text, Budget(10), "test") == re.sub(source, template, text)


@pytest.mark.parametrize(
    "source",
    ["(?i)a", "(?s:.)", "(?#no)a", r"\N{DIGIT ONE}", r"\07", "a(", "[b-a]", "*", r"(a)\12", "(?P<a>b)(?P=a)"],
)
def test_what_is_wrong_or_could_mean_something_else_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"not supported|not a pattern"):
        compile_pattern(source)


def test_a_back_reference_works_unless_case_is_ignored() -> None:
    found = compile_pattern(r"(\w)-\1").search("a-b b-b", Budget(10), "test")
    assert found is not None
    assert found.start == 4
    with pytest.raises(ValueError, match=r"back-reference"):
        compile_pattern(r"(\w)-\1", ignore_case=True)


@pytest.mark.parametrize("source", [r"\b" * 400, r"[\w,]" * 150, "a" * 2000])
def test_what_would_take_long_to_compile_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"too many|longer than"):
        compile_pattern(source)


@pytest.mark.parametrize("template", [r"\2", r"\g<3>", r"\q", "\\", r"\g<name>"])
def test_a_wrong_replacement_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"replacement"):
        compile_replacement(template, compile_pattern("(a)"))


def test_a_search_that_runs_away_is_stopped_and_later_ones_find_the_budget_spent() -> None:
    budget = Budget(0.05)
    for _ in range(2):
        with pytest.raises(Fault, match=r'"slow" ran past its limit of 0.05 s') as caught:
            compile_pattern(r"(x+x+)+y").search("x" * 5000, budget, '"slow"')
        assert caught.value.code is Code.RULE_TIMEOUT


def test_a_call_that_ends_early_for_busy_neighbours_is_made_again() -> None:
    # `regex` counts the processor time of the whole process: beside busy threads it gives up too early.
    timeouts: list[float] = []

    def search(timeout: float) -> str:
        timeouts.append(timeout)
        if len(timeouts) < 4:
            raise TimeoutError
        return "found"

    assert Budget(5).spend(search, "test") == "found"
    assert len(timeouts) == 4
    assert min(timeouts) > 4
