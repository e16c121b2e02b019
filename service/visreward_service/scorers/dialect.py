"""From a pattern of Python's `re` to one that means the same to the `regex` module, which can be stopped.

The two differ in what `\\s`, `\\d`, `\\w` and ignoring case cover (`regex` follows a newer Unicode, does not
take U+001C..U+001F for white space, takes combining marks for letters) and in syntax that only one of them
has (nested sets, fuzzy counts). So every class and every letter is written out as the characters that `re`
itself accepts, and constructs whose meaning could differ are refused.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

Range = tuple[int, int]
"""First and last code point."""

GROUPS = re.compile(r"\((?!\?)|\(\?(?:[:=!>]|<[=!]|P<[A-Za-z_][A-Za-z0-9_]*>)")
COUNT = re.compile(r"\{([0-9]*)(,?)([0-9]*)\}")
HEX = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
CATEGORIES = frozenset("sSdDwW")
LAST = sys.maxunicode
MAX_TRANSLATED_CHARS = 250_000
"""Compiling takes the longer the more there is: `\\w` is some 16,000 characters, `\\b` four times that."""
MANY_RANGES = 16
"""Above this, characters beyond ASCII are tested apart: `regex` looks a set through range by range."""


def translate(source: str, *, ignore_case: bool) -> str:
    """Return `source` for `regex.compile` without flags other than DOTALL.

    `source` must have passed `re.compile`. Raise ValueError for a construct that is not supported.
    """
    written: list[str] = []
    position = size = 0
    while position < len(source):
        position = _translate_one(source, position, ignore_case, written)
        size += len(written[-1])
        if size > MAX_TRANSLATED_CHARS:
            raise ValueError("too many \\w, \\d, \\b or large sets")
    return "".join(written)


def _translate_one(source: str, position: int, ignore_case: bool, written: list[str]) -> int:
    """Write the construct at `position`; return where the next one begins."""
    char = source[position]
    if char == "\\":
        return _translate_escape(source, position, ignore_case, written)
    if char == "[":
        end = _class_end(source, position)
        written.append(_write_class(source[position + 1 : end - 1], ignore_case))
        return end
    if char == "(":
        group = GROUPS.match(source, position)
        if group is None:
            raise ValueError(f'"{source[position : position + 4]}" is not supported')
        written.append(group[0])
        return group.end()
    if char == "{" and (count := COUNT.match(source, position)) and count[0] != "{}":
        low, comma, high = count.groups()
        written.append(f"{{{low or 0},{high}}}" if comma else f"{{{low}}}")
        return count.end()
    written.append(char if char in "^$.|)*+?" else _write_literal(char, ignore_case))
    return position + 1


def _translate_escape(source: str, position: int, ignore_case: bool, written: list[str]) -> int:
    char = source[position + 1]
    if char in CATEGORIES:
        written.append(_write_class(f"\\{char}", ignore_case))
    elif char in "bB":
        written.append(_write_boundary(char))
    elif char in "AZ":
        written.append(f"\\{char}")
    elif char in "123456789":
        if ignore_case:
            raise ValueError("a back-reference is not supported where case is ignored")
        written.append(f"\\{char}")
        if source[position + 2 : position + 3].isdigit():
            raise ValueError("back-references beyond \\9 and octal escapes are not supported")
    else:
        literal, end = _read_escape(source, position)
        written.append(_write_literal(literal, ignore_case))
        return end
    return position + 2


def _read_escape(source: str, position: int) -> tuple[str, int]:
    """Return the character that an escape stands for, and where it ends."""
    char = source[position + 1]
    if code := HEX.match(source, position):
        return chr(int(code[1] or code[2] or code[3], 16)), code.end()
    if char in CONTROLS:
        return CONTROLS[char], position + 2
    if char.isascii() and char.isalnum():
        raise ValueError(f'"\\{char}" is not supported')
    return char, position + 2


def _class_end(source: str, position: int) -> int:
    """Return the end of the class that opens at `position`."""
    position += 2 if source.startswith("[^", position) else 1
    position += 1 if source[position] == "]" else 0
    while source[position] != "]":
        position += 2 if source[position] == "\\" else 1
    return position + 1


def _write_class(body: str, ignore_case: bool) -> str:
    negated = body.startswith("^")
    positive = body[1:] if negated else body
    ranges = _read_class(positive)
    if ignore_case:
        ranges = _ignore_case(positive, ranges)
    return _write_set(_invert(ranges) if negated else ranges)


def _read_class(body: str) -> list[Range]:
    """Return the code points of a class without its brackets and `^`."""
    ranges: list[Range] = []
    position = 0
    while position < len(body):
        if body[position] == "\\" and body[position + 1] in CATEGORIES:
            ranges += category_ranges(body[position + 1])
            position += 2
            continue
        first, position = _read_member(body, position)
        if body.startswith("-", position) and position + 1 < len(body):
            last, position = _read_member(body, position + 1)
            ranges.append((ord(first), ord(last)))
        else:
            ranges.append((ord(first), ord(first)))
    return _merge(ranges)


def _read_member(body: str, position: int) -> tuple[str, int]:
    if body[position] != "\\":
        return body[position], position + 1
    if body[position + 1] == "b":
        return "\b", position + 2
    return _read_escape(body, position)


def _ignore_case(body: str, ranges: Sequence[Range]) -> list[Range]:
    """Return `ranges` as `re` widens them under IGNORECASE; only letters with case can come or go."""
    plain = set(re.findall(f"[{body}]", cased_letters()))
    folded = set(re.findall(f"[{body}]", cased_letters(), re.IGNORECASE))
    gone = [(ord(char), ord(char)) for char in plain - folded]
    kept = _invert(_merge([*_invert(ranges), *gone])) if gone else list(ranges)
    return _merge([*kept, *((ord(char), ord(char)) for char in folded - plain)])


@lru_cache(maxsize=4096)
def _write_literal(char: str, ignore_case: bool) -> str:
    if ignore_case and char in cased_letters():
        variants = re.findall(re.escape(char), cased_letters(), re.IGNORECASE)
        return _write_set(_merge([(ord(variant), ord(variant)) for variant in variants]))
    return _write_char(ord(char))


def _write_boundary(kind: str) -> str:
    word = _write_class(r"\w", ignore_case=False)
    if kind == "b":
        return f"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))"
    return f"(?:(?<={word})(?={word})|(?<!{word})(?!{word}))"


def _write_set(ranges: Sequence[Range]) -> str:
    if not ranges:
        return "(?!)"
    beyond = [(max(first, 128), last) for first, last in ranges if last >= 128]
    if len(beyond) <= MANY_RANGES:
        return _write_ranges(ranges)
    ascii_part = [(first, min(last, 127)) for first, last in ranges if first < 128]
    guarded = f"[^\\x00-\\x7f](?<={_write_ranges(beyond)})"
    return f"(?:{_write_ranges(ascii_part)}|{guarded})" if ascii_part else f"(?:{guarded})"


def _write_ranges(ranges: Iterable[Range]) -> str:
    return "[" + "".join(_write_range(first, last) for first, last in ranges) + "]"


def _write_range(first: int, last: int) -> str:
    return _write_char(first) if first == last else f"{_write_char(first)}-{_write_char(last)}"


def _write_char(code: int) -> str:
    char = chr(code)
    return char if char.isascii() and char.isalnum() else f"\\U{code:08x}"


def _merge(ranges: Iterable[Range]) -> list[Range]:
    """Return the ranges in order, none touching another."""
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _invert(ranges: Sequence[Range]) -> list[Range]:
    """Return the code points that merged `ranges` lack."""
    inverted = []
    start = 0
    for first, last in ranges:
        if first > start:
            inverted.append((start, first - 1))
        start = last + 1
    return [*inverted, (start, LAST)] if start <= LAST else inverted


@lru_cache(maxsize=6)
def category_ranges(letter: str) -> tuple[Range, ...]:
    """Return what `re` takes for `\\s`, `\\d`, `\\w` or one of their complements."""
    if letter.isupper():
        return tuple(_invert(category_ranges(letter.lower())))
    found = re.finditer(f"\\{letter}+", _characters(0, LAST + 1))
    return tuple((match.start(), match.end() - 1) for match in found)


@lru_cache(maxsize=1)
def cased_letters() -> str:
    """Return every character that has another case."""
    blocks = (_characters(start, start + 256) for start in range(0, LAST + 1, 256))
    cased = [block for block in blocks if block.lower() != block or block.upper() != block]
    return "".join(char for block in cased for char in block if char.lower() != char or char.upper() != char)


def _characters(start: int, stop: int) -> str:
    return np.arange(start, stop, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")
