"""Kind `yes_no`: an affirmative against a negative."""

import re
from dataclasses import dataclass
from typing import Literal

from visreward_service.scorers.answers.kind import Kind
from visreward_service.scorers.answers.verdict import UnreadableGold, Verdict

WORD = re.compile(
    r"\b(?:(?P<denied>not\s{1,3}(?:true|correct|right))|(?P<yes>yes|true|correct|right)"
    r"|(?P<no>no|false|incorrect|wrong))\b",
    re.IGNORECASE,
)
DIGITS = {"1": True, "0": False}
MAX_CHARS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class YesNoOptions:
    """Which word counts where there are several."""

    which: Literal["unanimous", "first", "last"] = "unanimous"
    """`unanimous`: all words must agree, else the answer is none."""


def read_polarity(text: str, which: str) -> bool | None:
    """Return True for yes, False for no, None where the text says neither or, if asked, both."""
    if text.strip() in DIGITS:
        return DIGITS[text.strip()]
    found = [match.lastgroup == "yes" for match in WORD.finditer(text)]
    if not found or (which == "unanimous" and len(set(found)) > 1):
        return None
    return found[-1] if which == "last" else found[0]


def judge(given: str, gold: str, options: YesNoOptions) -> Verdict:
    """Compare polarities. An answer that says neither is wrong, whatever the gold one is."""
    wanted = read_polarity(gold, "unanimous")
    if wanted is None:
        raise UnreadableGold("the gold answer is neither yes nor no")
    had = read_polarity(given, options.which)
    if had is None:
        return Verdict.of(False, "neither yes nor no")
    return Verdict.of(had == wanted, "yes or no", given="yes" if had else "no")


def settle(given: str, gold: str, options: YesNoOptions) -> Verdict | None:
    """Return the verdict, which takes time linear in the text."""
    return judge(given, gold, options) if len(given) + len(gold) <= MAX_CHARS else None


KIND = Kind("yes or no, true or false", YesNoOptions, judge, settle)
