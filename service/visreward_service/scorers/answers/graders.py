"""The two reference graders of the field, called so that they can be killed, and the cases that need no call.

mathruler 0.1.0 is what the EasyR1 family trains with, math_verify what TRL and most others do. Their verdicts
are theirs, quirks included. A shortcut settles a pair only where it is certain what the grader would say; its
tests compare it with the grader on generated pairs.
"""

import logging
import re
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, Literal

from visreward_service.scorers.answers.verdict import UnreadableGold, Verdict

INTEGER = re.compile(r"-?[0-9]{1,15}", re.ASCII)
DECIMAL = re.compile(r"-?[0-9]{1,8}\.[0-9]{1,7}", re.ASCII)
"""At most 15 digits: within what a double tells apart, as sympy reads these numbers."""
LETTER = re.compile(r"[A-Za-z]", re.ASCII)
CANONICAL_INTEGER = re.compile(r"-?[1-9][0-9]{0,14}|0", re.ASCII)
CANONICAL_DECIMAL = re.compile(r"-?(?:[1-9][0-9]{0,7}|0)\.[0-9]{1,7}", re.ASCII)
WRAPPED = re.compile(r"\\boxed\{([^{}\\$]*)\}|\$([^{}\\$]*)\$", re.ASCII)

BOXED = re.compile(r"\\boxed\{[^{}\\$]*\}", re.ASCII)

Reading = Literal["any", "latex_given", "latex"]
"""What math_verify reads: anything it knows; LaTeX alone in the answer, in a box or behind a phrase, and
malformed operators left as they are (open-r1, V-Triune); LaTeX alone in the gold answer too (CogFlow)."""

MAX_STAGED_CHARS = 160
"""Longest text that mathruler's string stage may see outside a worker."""
MAX_SHOWN_CHARS = 200
MAX_STAGED_COMMANDS = 6
"""Most LaTeX commands in such a text: reading nested ones takes pylatexenc twice as long per level."""
REMEMBERED_FORMS = 4096
"""Texts whose normal forms are remembered; none is longer than `MAX_STAGED_CHARS`."""
NEARLY_WHOLE = 1e-7
"""mathruler takes a number this near to an integer for that integer."""


@cache
def _mathruler() -> Any:
    from mathruler import grader

    # It reports odd LaTeX in answers as if it were a fault of the program.
    logging.getLogger("pylatexenc").setLevel(logging.CRITICAL)
    return grader


def mathruler(given: str, gold: str) -> Verdict:
    """Return mathruler's verdict. It can run for ever: call it in a worker."""
    return Verdict.of(bool(_mathruler().grade_answer(given, gold)), "mathruler")


def settle_mathruler(given: str, gold: str) -> Verdict | None:
    """Return mathruler's verdict where it needs no sympy; None where it does, or the text is long."""
    if given == gold:
        return Verdict.of(True, "identical")
    plain = _settle_plain(given.strip(), gold.strip())
    if plain is not None:
        return plain
    if not (_may_stage(given) and _may_stage(gold)):
        return None
    right = _stage_mathruler(given, gold)
    return None if right is None else Verdict.of(right, "mathruler's normal forms")


def _may_stage(text: str) -> bool:
    return len(text) <= MAX_STAGED_CHARS and text.count("\\") <= MAX_STAGED_COMMANDS


def _settle_plain(given: str, gold: str) -> Verdict | None:
    """Settle plain numbers and single letters, on which both of mathruler's stages are known."""
    if LETTER.fullmatch(given) and LETTER.fullmatch(gold):
        return Verdict.of(given.lower() == gold.lower(), "letters")
    value, wanted = _read_plain(given), _read_plain(gold)
    if value is None or wanted is None:
        return None
    return Verdict.of(value == wanted, "plain numbers")


def _read_plain(text: str) -> int | Decimal | None:
    """Return a plain number as mathruler's normal form has it: nearly whole decimals are integers."""
    if INTEGER.fullmatch(text):
        return int(text)
    if DECIMAL.fullmatch(text):
        value = float(text)
        whole = round(value)
        return whole if abs(value - whole) <= NEARLY_WHOLE else Decimal(text)
    return None


def _stage_mathruler(given: str, gold: str) -> bool | None:
    """Return what `grade_answer` says before it needs sympy, by its own functions; None where it needs it.

    The order of the tests is the order in mathruler's `grade_answer`.
    """
    stage = _mathruler()
    if stage.normalize_answer(gold) == stage.normalize_answer(given):
        return True
    wanted, had = _normal_form(gold), _normal_form(given)
    if wanted == had:
        return True
    if not had:
        return False
    wanted_parts, had_parts = stage.split_tuple(wanted), stage.split_tuple(had)
    if len(wanted_parts) > 1 and (wanted[0] != had[0] or wanted[-1] != had[-1]):
        return False
    if len(wanted_parts) != len(had_parts):
        return False
    return _stage_parts(wanted_parts, had_parts)


@lru_cache(REMEMBERED_FORMS)
def _normal_form(text: str) -> Any:
    """Return mathruler's normal form, which costs it a parse: siblings share their gold answer."""
    return _mathruler()._normalize(text)


def _stage_parts(wanted_parts: list[str], had_parts: list[str]) -> bool | None:
    stage = _mathruler()
    undecided = False
    for wanted, had in zip(wanted_parts, had_parts):
        if stage._is_frac(wanted) and stage._is_frac(had):
            if wanted != had:
                return False
        elif stage._str_is_int(wanted) != stage._str_is_int(had) or not stage.should_allow_eval(
            f"({wanted})-({had})"
        ):
            return False
        else:
            undecided = True
    # Any part that is wrong makes the whole wrong, whatever sympy says of the others.
    return None if undecided else True


@cache
def _math_verify() -> Any:
    import math_verify

    # It warns on every first call that its own time limit is off: the worker has one that works.
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    return math_verify


def read_math_verify(text: str, **options: Any) -> list[Any]:
    """Return math_verify's parse, with its defaults and without its time limit (`signal.alarm`)."""
    parsed: list[Any] = _math_verify().parse(text, parsing_timeout=None, **options)
    return parsed


@cache
def _latex_in_answers() -> dict[str, Any]:
    """How open-r1 (`rewards.py`) and those after it read answers."""
    from latex2sympy2_extended import NormalizationConfig

    normal = NormalizationConfig(
        nits=False, malformed_operators=False, basic_latex=True, boxed="all", units=True
    )
    config = _math_verify().LatexExtractionConfig(
        normalization_config=normal, boxed_match_priority=0, try_extract_without_anchor=False
    )
    return {"extraction_config": [config], "extraction_mode": "first_match"}


@cache
def _latex_in_golds() -> dict[str, Any]:
    return {
        "extraction_config": [_math_verify().LatexExtractionConfig()],
        "extraction_mode": "first_match",
    }


def _options_of(reading: Reading) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return how to parse the gold answer and the given one."""
    if reading == "any":
        return {}, {}
    gold = {"extraction_mode": "first_match"} if reading == "latex_given" else _latex_in_golds()
    return gold, _latex_in_answers()


def math_verify(given: str, gold: str, reading: Reading = "any", *, given_first: bool = False) -> Verdict:
    """Return math_verify's verdict on two texts. It can run for ever: call it in a worker.

    Its verdict depends on which side it takes for the gold answer; with `given_first` that is the given one.
    Raises UnreadableGold where it finds nothing to compare with in the gold answer.
    """
    for_gold, for_given = _options_of(reading)
    wanted = read_math_verify(gold, **for_gold)
    if not wanted:
        raise UnreadableGold("math_verify finds no expression in the gold answer")
    had = read_math_verify(given, **for_given)
    sides = (had, wanted) if given_first else (wanted, had)
    right = bool(_math_verify().verify(*sides, timeout_seconds=None))
    return Verdict.of(right, "math_verify", given=_read_text(had), gold=_read_text(wanted))


def _read_text(parsed: list[Any]) -> str | None:
    """Return the text that was parsed. The expressions beside it may take for ever to print."""
    texts = [entry for entry in parsed if isinstance(entry, str)]
    return texts[-1][:MAX_SHOWN_CHARS] if texts else None


def settle_math_verify(given: str, gold: str, reading: Reading = "any") -> Verdict | None:
    """Return math_verify's verdict on plain numbers, bare or in one box or pair of dollars; else None.

    Where it reads LaTeX alone, only numbers in boxes are settled.
    """
    latex = {"any": (), "latex_given": (given,), "latex": (given, gold)}[reading]
    if not all(BOXED.fullmatch(text.strip()) for text in latex):
        return None
    value, wanted = _read_canonical(given), _read_canonical(gold)
    if value is None or wanted is None:
        return None
    if value == wanted:
        return Verdict.of(True, "plain numbers", given=str(value), gold=str(wanted))
    if isinstance(value, int) and isinstance(wanted, int):
        return Verdict.of(False, "plain numbers", given=str(value), gold=str(wanted))
    # With a decimal on either side math_verify rounds to 6 places; near that edge it has the word.
    if abs(Decimal(value) - Decimal(wanted)) > Decimal("0.00001"):
        return Verdict.of(False, "plain numbers", given=str(value), gold=str(wanted))
    return None


def _read_canonical(text: str) -> int | Decimal | None:
    text = text.strip()
    wrapped = WRAPPED.fullmatch(text)
    if wrapped:
        text = (wrapped.group(1) or wrapped.group(2) or "").strip()
    if CANONICAL_INTEGER.fullmatch(text):
        return int(text)
    if CANONICAL_DECIMAL.fullmatch(text):
        return Decimal(text)
    return None


def warm() -> None:
    """Import both graders and fill their tables, so that workers are forked warm."""
    mathruler("\\frac{1}{2}+x", "x+\\frac{2}{4}")
    math_verify("$\\frac{1}{2}+\\sqrt{x}$", "$\\sqrt{x}+\\frac{2}{4}$")
