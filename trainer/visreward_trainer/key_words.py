"""Key words of a reference caption, for data that comes without them: the words that carry its content.

PeBR-R1's own come from a teacher model. These are the caption's words less those of grammar, in order, each
once, in lower case; plural endings are cut, since the paper's reward looks for a key word inside longer words
too.
"""

import json
import re
from functools import cache
from importlib import resources
from pathlib import Path

from visreward_trainer.errors import DataError

WORD = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+)*|\d+(?:[.,]\d+)*")
MAX_WORDS = 16
MIN_LETTERS = 3
GRAMMAR_FILE = "grammar-words.txt"


@cache
def grammar() -> frozenset[str]:
    """Return the words that carry no content of a caption."""
    file = resources.files("visreward_trainer").joinpath("files", GRAMMAR_FILE)
    return frozenset(file.read_text(encoding="utf-8").split())


def find_key_words(caption: str, *, max_words: int = MAX_WORDS) -> list[str]:
    """Return up to `max_words` key words of a caption, in its order."""
    found: dict[str, None] = {}
    for word in WORD.findall(caption.lower()):
        if word in grammar() or (len(word) < MIN_LETTERS and not word[0].isdecimal()):
            continue
        found.setdefault(to_singular(word), None)
    return list(found)[:max_words]


def to_singular(word: str) -> str:
    """Return a word without its plural ending, as far as letters tell."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return word


def add_key_words(data: Path, out: Path, *, caption: str, max_words: int = MAX_WORDS) -> int:
    """Write a JSONL file's lines with a column `key_words` made from another column; return how many.

    A line that has `key_words` already keeps them. Raises `DataError` that names the line at fault.
    """
    lines = []
    for number, line in enumerate(data.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text = row[caption]
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{data}:{number}: no object with a column {caption!r}") from None
        if not isinstance(text, str):
            raise DataError(f"{data}:{number}: {caption} is not a text")
        if not row.get("key_words"):
            row["key_words"] = find_key_words(text, max_words=max_words)
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    out.write_text("".join(lines), encoding="utf-8")
    return len(lines)
