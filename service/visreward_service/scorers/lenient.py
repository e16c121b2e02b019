"""The scorer for VLM-R1's lenient comparisons without mathematics: texts, letters, numbers, likeness.

What they make of an answer is VLM-R1's (om-ai-lab/VLM-R1@90052f4 `grpo_jsonl.py`, `utils/math.py`), quirks
included; `answer` is the scorer to judge with.
"""

import re
from collections.abc import Mapping
from typing import Any

from visreward.protocol import Code
from visreward_service.scorers.answer import gold_answers
from visreward_service.scorers.base import Fault, Params, Score, Scorer, Subject, Work

MAX_CHARS = 5_000
"""A longer answer is wrong, and a longer gold answer an item error: likeness takes the product of lengths."""

ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
CHOICE = re.compile(r"(?<![A-Z])([A-Z])(?=[.,?!:;]|$)")
HINTS = (
    "答案", "选择", "正确", "是", "对", "认为", "应该", "觉得",
    "ANSWER", "CORRECT", "CHOOSE", "SELECT", "RIGHT", "THINK", "BELIEVE", "SHOULD",
)  # fmt: skip
"""Words near a letter that speak for it."""
NEAR_CHARS = 20
PUNCTUATION = "。.!！,，"


class LenientParams(Params):
    text: str = "completion"


class Lenient(Scorer[LenientParams]):
    """Compares a piece with `reference.answer` in several ways, each 0 or 1 but for `likeness`, 0..1.

    - `exact`: the same text after line breaks, outer space, final full stops and case are taken out.
    - `choice`: the likeliest option letter of both is the same; 0 where either has none.
    - `form`: the same text in the normal form of the MATH benchmark, of the last box where there is one.
    - `likeness`: twice the longest common subsequence over both lengths (Levenshtein's `ratio`).
    - `fallback`: what VLM-R1 does where math_verify finds an answer wrong. A reference with digits is
      compared as a number, by likeness where either side is none; one with an option letter by letters; all
      others by likeness.
    """

    Params = LenientParams
    summary = "VLM-R1's lenient comparisons: equal text, option letter, normal form, likeness"

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("exact", "choice", "form", "likeness", "fallback")

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"reference.answer"})

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        text = subject.text(self.params.text)
        golds = gold_answers(subject)
        if any(len(gold) > MAX_CHARS for gold in golds):
            message = f"a gold answer of more than {MAX_CHARS} characters is not compared leniently"
            raise Fault(Code.TEXT_TOO_LONG, message, field="reference.answer")
        if text is None or len(text) > MAX_CHARS:
            status = "no_answer" if text is None else "too_long"
            return Score(dict.fromkeys(self.outputs, 0.0), {"status": status})
        each = [compare(text.strip(), gold) for gold in golds]
        return Score({name: max(found[name] for found in each) for name in self.outputs})


def compare(given: str, gold: str) -> dict[str, float]:
    """Return the outputs for one gold answer."""
    given_clean, gold_clean = clean(given), clean(gold)
    wanted = find_choice(gold)
    choice = float(wanted is not None and find_choice(given) == wanted)
    likeness = measure_likeness(given_clean, gold_clean)
    fallback = likeness
    if re.search(r"\d", gold):
        equal = equal_numbers(given_clean, gold_clean)
        fallback = likeness if equal is None else float(equal)
    elif wanted is not None:
        fallback = choice
    return {
        "exact": float(given_clean == gold_clean),
        "choice": choice,
        "form": float(normalise(find_boxed(given_clean)) == normalise(gold_clean)),
        "likeness": likeness,
        "fallback": fallback,
    }


def clean(text: str) -> str:
    """Return the last tagged answer, or the text, in lower case, on one line, without final full stops."""
    tagged = ANSWER.findall(text)
    text = tagged[-1] if tagged else text
    for mark in ("\n", "\r"):
        text = re.sub(rf"(?<=\s){mark}", "", text)
        text = text.replace(mark, " ")
    return text.strip().rstrip(".").lower()


def find_choice(text: str) -> str | None:
    """Return the letter that the most speaks for, the first of several; None where no letter stands alone.

    In upper case. A letter counts where none stands before it and a mark or the end behind it, and is weighed
    where it first occurs, in a word or not.
    """
    text = re.sub(r"\s+", " ", text.upper())
    found = list(dict.fromkeys(CHOICE.findall(text)))
    return max(found, key=lambda letter: _weigh(letter, text)) if found else None


def _weigh(letter: str, text: str) -> int:
    place = text.find(letter)
    near = text[max(0, place - NEAR_CHARS) : place + NEAR_CHARS]
    late = 2 if place > len(text) * 0.7 else 0
    marked = 1 if text[place + 1 : place + 2] and text[place + 1] in PUNCTUATION else 0
    return sum(hint in near for hint in HINTS) + late + marked


def equal_numbers(given: str, gold: str) -> bool | None:
    """Whether two texts are the same number to Python; None where either is none."""
    try:
        return float(given) == float(gold)
    except ValueError:
        return None


def measure_likeness(left: str, right: str) -> float:
    """Return 2 LCS / (sum of lengths), 1 for two empty texts. Hyyrö's bit-parallel algorithm (2004)."""
    total = len(left) + len(right)
    if not total:
        return 1.0
    places: dict[str, int] = {}
    for place, character in enumerate(left):
        places[character] = places.get(character, 0) | 1 << place
    mask = (1 << len(left)) - 1
    row = mask
    for character in right:
        hits = row & places.get(character, 0)
        row = ((row + hits) | (row - hits)) & mask
    common = len(left) - row.bit_count()
    return 2.0 * common / total


REPLACED = (
    ("\n", ""),
    ("\\!", ""),
    ("\\\\", "\\"),
    ("tfrac", "frac"),
    ("dfrac", "frac"),
    ("\\left", ""),
    ("\\right", ""),
    ("^{\\circ}", ""),
    ("^\\circ", ""),
    ("\\$", ""),
)
SHORT_FRACTION = re.compile(r"\\frac([^{])([^{])")
HALF_FRACTION = re.compile(r"\\frac([^{])(?=\{)")
SLASHED = re.compile(r"(-?\d+)/(-?\d+)")


def normalise(text: str) -> str:
    """Return the normal form of the MATH benchmark (arXiv:2103.03874, `math_equivalence.py`)."""
    for before, after in REPLACED:
        text = text.replace(before, after)
    if text.count("\\text{ ") == 1:
        text = text.partition("\\text{ ")[0]
    text = text.replace("\\%", "").replace(" .", " 0.").replace("{.", "{0.")
    text = "0" + text if text.startswith(".") else text
    label, equals, value = text.partition("=")
    text = value if equals and "=" not in value and len(label) <= 2 else text
    text = re.sub(r"\\sqrt([^{])", r"\\sqrt{\1}", text).replace(" ", "")
    text = HALF_FRACTION.sub(r"\\frac{\1}", SHORT_FRACTION.sub(r"\\frac{\1}{\2}", text))
    text = "\\frac{1}{2}" if text == "0.5" else text
    slashed = SLASHED.fullmatch(text)
    return f"\\frac{{{slashed[1]}}}{{{slashed[2]}}}" if slashed else text


def find_boxed(text: str) -> str:
    """Return the content of the last box, braces balanced, or the text where there is none."""
    start = text.rfind("\\boxed{")
    depth = 0
    for place in range(start + len("\\boxed"), len(text)) if start >= 0 else ():
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return text[start + len("\\boxed{") : place]
    return text
