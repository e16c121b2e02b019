"""Kind `choice`: option letters, one or several, or the text of an option."""

import re
from dataclasses import dataclass
from functools import lru_cache

from visreward_service.scorers.answers import notation
from visreward_service.scorers.answers.kind import Kind
from visreward_service.scorers.answers.reading import normal_words
from visreward_service.scorers.answers.verdict import UnreadableGold, Verdict

LAST_LETTER = "J"
"""Last letter that an option has where the item does not list its choices."""
MAX_CHARS = 4_000

TEXT_COMMAND = re.compile(r"\\(?:text|mathrm|mathbf|textbf|boxed)\s*\{([^{}]*)\}")
ALONE = re.compile(
    r"\W*(?:(?:the\s+)?(?:option|choice|answer|letter)s?(?:\s+is)?\W*)?([A-Za-z])\W*", re.IGNORECASE
)
LEADING = re.compile(
    r"\W*(?:(?:option|choice|answer)\s*)?([A-Za-z])\s*[).:\]]+\s*(\S.*)", re.IGNORECASE | re.DOTALL
)
STANDING = re.compile(r"(?<![A-Za-z\\'’])([A-Z])(?![A-Za-z'’])")
ARTICLE = re.compile(r"(?<![A-Za-z(\[*])A(?=\s+(?!(?:or|and|is|as|because|since|but|if)\b)[A-Za-z])")
"""An `A` that stands before a word, and is not set off as a letter of its own."""
COMPACT = re.compile(r"\W*([A-Z]{2,10})\W*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceOptions:
    """How many letters there are to find."""

    several: bool = False
    """Whether the gold answer is a set of letters."""
    partial: bool = False
    """With `several`: score by the share of letters that both have among those that either has."""
    choices: tuple[str, ...] | None = None
    """From the item: the options' texts, in the order of the letters."""


@lru_cache(maxsize=1024)
def _allowed(options: ChoiceOptions) -> str:
    number = len(options.choices) if options.choices else ord(LAST_LETTER) - ord("A") + 1
    return "".join(chr(ord("A") + place) for place in range(min(number, 26)))


def read_letter(text: str, options: ChoiceOptions) -> str | None:
    """Return the one option that `text` names, by letter or by the option's text; None where it does not."""
    allowed = _allowed(options)
    by_text = _by_text(text, options)
    if by_text is not None:
        return by_text
    alone = ALONE.fullmatch(text)
    if alone:
        letter = alone.group(1).upper()
        return letter if letter in allowed else None
    leading = LEADING.match(text)
    if leading and leading.group(1).upper() in allowed:
        letter = leading.group(1).upper()
        others = _named(leading.group(2), allowed) - {letter}
        contradicted = _by_text(leading.group(2), options) not in (None, letter)
        return None if others or contradicted else letter
    named = _named(text, allowed)
    return named.pop() if len(named) == 1 else None


def _named(text: str, allowed: str) -> set[str]:
    """Return the option letters that stand alone in a text; `A` must not be an article, nor `I` a pronoun."""
    text = ARTICLE.sub("a", text)
    return {match.group(1) for match in STANDING.finditer(text) if match.group(1) in allowed} - {"I"}


def _by_text(text: str, options: ChoiceOptions) -> str | None:
    if not options.choices:
        return None
    wanted = normal_words(text)
    matches = [place for place, choice in enumerate(options.choices) if normal_words(choice) == wanted]
    return chr(ord("A") + matches[0]) if len(matches) == 1 and wanted else None


def read_letters(text: str, options: ChoiceOptions) -> frozenset[str] | None:
    """Return all options that `text` names; None where it names none."""
    allowed = _allowed(options)
    compact = COMPACT.fullmatch(text)
    if (
        compact
        and set(compact.group(1)) <= set(allowed)
        and len(set(compact.group(1))) == len(compact.group(1))
    ):
        return frozenset(compact.group(1))
    pieces = [piece.strip() for piece in re.split(r"[,;/&\n]|\band\b", text) if piece.strip()]
    letters = [read_letter(piece, options) for piece in pieces]
    if letters and all(letters):
        return frozenset(letter for letter in letters if letter)
    return frozenset(_named(text, allowed)) or None


def _surface(text: str) -> str:
    return TEXT_COMMAND.sub(r"\1", notation.fold(text)).strip().strip("$").strip()


def judge(given: str, gold: str, options: ChoiceOptions) -> Verdict:
    """Compare option letters."""
    wanted = _read(_surface(gold), options)
    if wanted is None:
        raise UnreadableGold("the gold answer names no option")
    if len(given) > MAX_CHARS:
        return Verdict.of(False, "too long to be a choice")
    had = _read(_surface(given), options)
    if had is None:
        return Verdict.of(False, "no single option" if not options.several else "no option")
    facts = {"given": "".join(sorted(had)), "gold": "".join(sorted(wanted))}
    if options.several and options.partial:
        return Verdict(len(had & wanted) / len(had | wanted), "share of letters", facts)
    return Verdict(float(had == wanted), "letters", facts)


def _read(text: str, options: ChoiceOptions) -> frozenset[str] | None:
    if options.several:
        return read_letters(text, options)
    letter = read_letter(text, options)
    return frozenset({letter}) if letter else None


def settle(given: str, gold: str, options: ChoiceOptions) -> Verdict | None:
    """Return the verdict, which is quick for texts that are no essays."""
    return judge(given, gold, options) if len(given) + len(gold) <= MAX_CHARS else None


KIND = Kind(
    "option letters or option texts, one or several", ChoiceOptions, judge, settle, context=("choices",)
)
