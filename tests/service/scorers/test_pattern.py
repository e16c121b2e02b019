"""Formats by regular expression, under a time limit."""

import re

import pytest

from tests.service.scorers.boxes.judging import judge, value
from visreward.protocol import Code
from visreward_service.scorers.base import Catalog, Fault
from visreward_service.scorers.pattern import PatternFormat, PatternParams

TEXTS = [
    "<a>1</a>",
    "x <a>1</a>",
    "<a>1\n2</a>",
    "<a>1</a> y",
    "<A>1</A>",
    "",
    "<a></a>\n",
    "<a>1</a><a>2</a>",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("mode", ["search", "match", "fullmatch"])
@pytest.mark.parametrize("dot_all", [True, False])
@pytest.mark.parametrize("ignore_case", [True, False])
def test_each_mode_means_what_it_means_to_re(text: str, mode: str, dot_all: bool, ignore_case: bool) -> None:
    flags = (re.DOTALL if dot_all else 0) | (re.IGNORECASE if ignore_case else 0)
    for pattern in ("<a>.*?</a>", "<a>.*</a>|x", r"\s*<a>\d</a>\s*$"):
        expected = getattr(re.compile(pattern, flags), mode)(text) is not None
        given = {"pattern": pattern, "mode": mode, "dot_all": dot_all, "ignore_case": ignore_case}
        assert value(PatternFormat, text, "found", **given) == float(expected)


def test_matches_that_do_not_overlap_are_counted() -> None:
    assert value(PatternFormat, "aaaa", "count", pattern="aa") == 2.0
    assert value(PatternFormat, "abc", "count", pattern="x*") == len(re.findall("x*", "abc"))
    assert value(PatternFormat, "a" * 5000, "count", pattern="a") == 1000.0


def test_an_absent_text_does_not_match() -> None:
    assert judge(PatternFormat, None, pattern=".*").values == {"found": 0.0, "count": 0.0}


def test_a_pattern_that_explodes_is_a_timeout_of_the_item() -> None:
    with pytest.raises(Fault) as fault:
        judge(PatternFormat, "a" * 5000 + "!", pattern="(a+a+)+b")
    assert fault.value.code is Code.RULE_TIMEOUT


@pytest.mark.parametrize("pattern", ["(", "(?i)a", "a{2"])
def test_a_pattern_that_re_refuses_or_that_would_mean_something_else_is_refused(pattern: str) -> None:
    if pattern == "a{2":
        assert value(PatternFormat, "a{2", "found", pattern=pattern) == 1.0
        return
    with pytest.raises(ValueError, match=r"re|supported"):
        PatternFormat(PatternParams(pattern=pattern), Catalog())
