"""Finding the answer inside a completion: pure functions over text, in time linear in its length.

Knows where an answer stands, not what it means.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Which = Literal["first", "last"]
Method = Literal["whole", "boxed", "boxed_first", "tag", "phrase", "hashes", "last_line", "auto"]

BOX = "\\boxed{"

# An announcement is a short phrase, so that every repetition in the pattern has a small bound.
ANNOUNCEMENT = re.compile(
    r"(?:final|correct|right|my|the)?\s{0,3}\banswer\b(?:\s{1,3}(?:to|of|for)\b[^\n.:]{0,80})?"
    r"[\s*_]{0,4}(?:(?:\b(?:is|are|was|should\s{1,3}be|would\s{1,3}be|must\s{1,3}be)\b)\s{0,3}:?|[:=])",
    re.IGNORECASE,
)
MARKUP = " \t\r\n*_#`"


@dataclass(frozen=True, slots=True)
class Extracted:
    """An answer's text and the place it was found in."""

    text: str
    found: str


def boxed(text: str, which: Which = "last") -> str | None:
    r"""Return the content of the first or last `\boxed{}`, braces balanced; None where there is none.

    As in mathruler's `extract_boxed_content`, escaped braces count as braces, and a box that is never closed
    is no box, even where another one is.
    """
    start = text.rfind(BOX) if which == "last" else text.find(BOX)
    if start < 0:
        return None
    return _balanced(text, start + len(BOX))


def _balanced(text: str, start: int) -> str | None:
    depth = 1
    for brace in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return text[start : brace.start()]
    return None


def tagged(text: str, tag: str = "answer", which: Which = "last") -> str | None:
    """Return what stands between `<tag>` and `</tag>`, letter case ignored; None where there is no pair."""
    opening = re.compile(f"<{re.escape(tag)}>", re.IGNORECASE | re.ASCII)
    closing = re.compile(f"</{re.escape(tag)}>", re.IGNORECASE | re.ASCII)
    if which == "first":
        start = opening.search(text)
        end = closing.search(text, start.end()) if start else None
        return text[start.end() : end.start()] if start and end else None
    ends = [match.start() for match in closing.finditer(text)]
    if not ends:
        return None
    starts = [match.end() for match in opening.finditer(text, 0, ends[-1])]
    return text[starts[-1] : ends[-1]] if starts else None


def announced(text: str) -> str | None:
    """Return the rest of the line, or the next line, after the last "the answer is" or "answer:"."""
    found = None
    for found in ANNOUNCEMENT.finditer(text):  # noqa: B007 - the last one counts
        pass
    if found is None:
        return None
    rest = text[found.end() :].lstrip(MARKUP + ":")
    return rest.partition("\n")[0].strip(MARKUP) or None


def after_hashes(text: str) -> str | None:
    """Return the rest of the line after the last `####`, where GSM8K puts the answer."""
    start = text.rfind("####")
    if start < 0:
        return None
    return text[start + 4 :].partition("\n")[0].strip() or None


def last_line(text: str) -> str | None:
    """Return the last line that is not blank, without Markdown emphasis."""
    return text.rstrip(MARKUP).rpartition("\n")[2].strip(MARKUP) or None


def _whole(text: str) -> str | None:
    return text


METHODS: dict[str, Callable[[str], str | None]] = {
    "whole": _whole,
    "boxed": boxed,
    "boxed_first": lambda text: boxed(text, "first"),
    "tag": tagged,
    "phrase": announced,
    "hashes": after_hashes,
    "last_line": last_line,
}

AUTO_ORDER = ("boxed", "tag", "phrase", "hashes", "last_line")


def extract(text: str, method: Method = "auto") -> Extracted | None:
    """Return the answer that `method` finds; None where it finds none or only white space.

    `auto` takes the first that finds one of: the last box, the last `<answer>` tag (and a box or a phrase
    within it), the last announcement, `####`, the last line.
    """
    if method != "auto":
        found = METHODS[method](text)
        return Extracted(found, method) if found is not None and found.strip() else None
    for name in AUTO_ORDER:
        extracted = extract(text, name)  # type: ignore[arg-type]  # AUTO_ORDER holds methods
        if extracted is None:
            continue
        if name == "tag":
            within = announced(extracted.text)
            return Extracted(within, "tag+phrase") if within else extracted
        return extracted
    return None
