"""Regular expressions that mean what Python's `re` means and stop at a time limit.

They run in the `regex` module, which lets other threads go on meanwhile. Whose pattern it is, and what is
done with what it finds, is not known here.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import regex

from visreward.protocol import Code
from visreward_service.scorers.base import Fault
from visreward_service.scorers.dialect import translate

LIMIT_SECONDS = 0.25
"""Default limit on the processor time that one item's patterns may take together."""
MAX_PATTERN_CHARS = 1000
LAZY = "(.*?)"

T = TypeVar("T")


class Budget:
    """Processor time that the patterns of one item may still take."""

    def __init__(self, seconds: float = LIMIT_SECONDS) -> None:
        self.seconds = seconds
        self.used = 0.0

    def spend(self, call: Callable[[float], T], owner: str) -> T:
        """Return `call(timeout)`. Raise `Fault` that names `owner` once the time is used up.

        `regex` measures its timeout in processor time of the whole process, so that busy neighbours make it
        end early; what counts here is this thread's own time, and a call that ended early is made again.
        """
        timeout = self.seconds - self.used
        while timeout > 0:
            own, whole = time.thread_time(), time.process_time()
            try:
                return call(timeout)
            except TimeoutError:
                share = (time.process_time() - whole) / max(time.thread_time() - own, 1e-6)
            finally:
                self.used += time.thread_time() - own
            timeout = (self.seconds - self.used) * max(share, 1.0)
        raise Fault(Code.RULE_TIMEOUT, f"{owner} ran past its limit of {self.seconds:g} s")


@dataclass(frozen=True, slots=True)
class Found:
    """A match: where it stands, and the text of group 1 (of the whole match where there is no group)."""

    start: int
    end: int
    text: str | None
    """None where the group took no part in the match."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern of Python's `re`."""

    source: str
    compiled: "regex.Pattern[str]"
    halves: "tuple[regex.Pattern[str], regex.Pattern[str]] | None" = None
    """What stands before and after `(.*?)`, where the pattern is these three and a dot matches everything."""

    def search(self, text: str, budget: Budget, owner: str, position: int = 0) -> Found | None:
        """Return the first match at or after `position`."""
        if self.halves is None:
            return self._search_whole(text, budget, owner, position)
        before, after = self.halves
        opening = budget.spend(lambda timeout: before.search(text, position, timeout=timeout), owner)
        if opening is None:
            return None
        closing = budget.spend(lambda timeout: after.search(text, opening.end(), timeout=timeout), owner)
        if closing is not None:
            # The leftmost opening, its preferred end and the nearest closing behind it: the match of `re`.
            return Found(opening.start(), closing.end(), text[opening.end() : closing.start()])
        # Any match would begin at `opening` or later and hold a closing. Without one there is no match, and
        # the text has been read once, where backtracking would read on from every further opening.
        start = opening.start()
        closing = budget.spend(lambda timeout: after.search(text, start, timeout=timeout), owner)
        return None if closing is None else self._search_whole(text, budget, owner, position)

    def _search_whole(self, text: str, budget: Budget, owner: str, position: int) -> Found | None:
        match = budget.spend(lambda timeout: self.compiled.search(text, position, timeout=timeout), owner)
        return None if match is None else _found(match)

    def search_last(self, text: str, budget: Budget, owner: str) -> Found | None:
        """Return the last of the matches that do not overlap, counted from the left."""

        def scan(timeout: float) -> Found | None:
            last = None
            for match in self.compiled.finditer(text, timeout=timeout):
                last = match
            return None if last is None else _found(last)

        return budget.spend(scan, owner)

    def substitute(self, replacement: "Replacement", text: str, budget: Budget, owner: str) -> str:
        """Return what `re.sub` returns."""
        return budget.spend(lambda timeout: self.compiled.sub(replacement, text, timeout=timeout), owner)


def _found(match: "regex.Match[str]") -> Found:
    group = 1 if match.re.groups else 0
    return Found(match.start(), match.end(), match.group(group))


@lru_cache(maxsize=1024)
def compile_pattern(source: str, *, ignore_case: bool = False, dot_all: bool = False) -> Pattern:
    """Return the pattern. Raise ValueError where `re` refuses it or its meaning cannot be kept."""
    if len(source) > MAX_PATTERN_CHARS:
        raise ValueError(f"a pattern longer than {MAX_PATTERN_CHARS} characters")
    try:
        re.compile(source)
        compiled = _compile(source, ignore_case, dot_all)
    except (re.error, regex.error, OverflowError, RecursionError, FutureWarning) as error:
        raise ValueError(f"not a pattern of Python's re: {error}") from None
    return Pattern(source, compiled, _compile_halves(source, ignore_case) if dot_all else None)


def _compile(source: str, ignore_case: bool, dot_all: bool) -> "regex.Pattern[str]":
    return regex.compile(translate(source, ignore_case=ignore_case), regex.DOTALL if dot_all else 0)


def _compile_halves(source: str, ignore_case: bool) -> "tuple[regex.Pattern[str], regex.Pattern[str]] | None":
    """Return the patterns around one `(.*?)`; None where they are not patterns that stand for themselves."""
    before, lazy, after = source.partition(LAZY)
    if not lazy or re.search(r"[()|^$]|\\[bBAZ0-9]", before + after):
        return None
    try:
        re.compile(before)
        re.compile(after)
    except re.error:
        return None
    return _compile(before, ignore_case, dot_all=True), _compile(after, ignore_case, dot_all=True)


@dataclass(frozen=True, slots=True)
class Replacement:
    """A replacement of `re.sub`, read once."""

    parts: tuple[str | int, ...]
    """Literal text and group numbers."""

    def __call__(self, match: "regex.Match[str]") -> str:
        """Return the replacement for a match; a group that took no part is empty."""
        return "".join(part if isinstance(part, str) else match.group(part) or "" for part in self.parts)


def compile_replacement(template: str, pattern: Pattern) -> Replacement:
    """Return the replacement. Raise ValueError for a group the pattern lacks or an unknown escape."""
    parts: list[str | int] = []
    position = 0
    for escape in re.finditer(r"\\(?:g<([0-9]+)>|([1-9][0-9]?)|([nrt\\])|.|$)", template, re.DOTALL):
        parts.append(template[position : escape.start()])
        position = escape.end()
        number, digits, literal = escape.groups()
        if literal is not None:
            parts.append({"n": "\n", "r": "\r", "t": "\t"}.get(literal, "\\"))
            continue
        if number is None and digits is None:
            raise ValueError(f'the replacement\'s "{escape[0]}" is not supported')
        group = int(number or digits)
        if group > pattern.compiled.groups:
            raise ValueError(f"the replacement names group {group}, which the pattern lacks")
        parts.append(group)
    parts.append(template[position:])
    return Replacement(tuple(part for part in parts if part != ""))
