"""Named pieces of a completion: compiled once per recipe, cut when a term first reads them.

A piece that is not found is None, unless its extractor says what to take instead. Headings, tags and boxes
are found in linear time; patterns that a recipe brings run under a limit per item.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from visreward.protocol import ExtractSpec, Item
from visreward_service.recipes.errors import find_nearest, suggest
from visreward_service.scorers.patterns import (
    LIMIT_SECONDS,
    Budget,
    Found,
    Replacement,
    compile_pattern,
    compile_replacement,
)
from visreward_service.scorers.sections import compile_heading

GIVEN = ("completion", "prompt")
"""The pieces that every item has, cut by nobody."""
MAX_EXTRACTORS = 32
MAX_COMPILED_CHARS = 500_000
"""Of all patterns of a recipe together, letters and classes written out."""

Cut = Callable[[str, Budget], str | None]
Edit = Callable[[str, Budget], str]


class ExtractError(ValueError):
    """An extractor that cannot be read."""

    def __init__(self, name: str, message: str, nearest: tuple[str, ...] = (), field: str = "") -> None:
        super().__init__(f'extractor "{name}": {message}')
        self.name = name
        self.nearest = nearest
        self.field = field
        """The key at fault, where it is known."""


@dataclass(frozen=True, slots=True)
class Extractor:
    """A compiled `ExtractSpec`."""

    name: str
    source: str
    cut: Cut
    replace: Edit | None
    strip: bool
    absent: str | None
    absent_from: str | None

    @property
    def reads(self) -> tuple[str, ...]:
        """The pieces it may read."""
        return (self.source,) if self.absent_from is None else (self.source, self.absent_from)

    def extract(self, pieces: Mapping[str, str | None], budget: Budget) -> str | None:
        """Return the piece."""
        text = pieces[self.source]
        piece = None if text is None else self.cut(text, budget)
        if piece is None:
            return self.absent if self.absent_from is None else pieces[self.absent_from]
        if self.replace is not None:
            piece = self.replace(piece, budget)
        return piece.strip() if self.strip else piece


class Pieces(Mapping[str, str | None]):
    """The pieces of one item, each cut at its first use."""

    def __init__(self, extractors: Mapping[str, Extractor], item: Item, budget: Budget) -> None:
        self._extractors = extractors
        self._cut: dict[str, str | None] = {"completion": item.completion, "prompt": item.prompt}
        self._budget = budget

    def __getitem__(self, name: str) -> str | None:
        if name not in self._cut:
            self._cut[name] = self._extractors[name].extract(self, self._budget)
        return self._cut[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*GIVEN, *self._extractors))

    def __len__(self) -> int:
        return len(GIVEN) + len(self._extractors)


@dataclass(frozen=True, slots=True)
class Extraction:
    """The extractors of a recipe."""

    extractors: Mapping[str, Extractor]
    limit_seconds: float = LIMIT_SECONDS

    @property
    def names(self) -> frozenset[str]:
        """Every piece that a term may name."""
        return frozenset(GIVEN) | self.extractors.keys()

    def roots(self, names: frozenset[str]) -> frozenset[str]:
        """Return which of `completion` and `prompt` the named pieces come from."""
        todo, seen = list(names), set(names)
        while todo:
            extractor = self.extractors.get(todo.pop())
            new = set(extractor.reads) - seen if extractor else set()
            todo += new
            seen |= new
        return frozenset(seen & set(GIVEN))

    def cut(self, item: Item) -> Mapping[str, str | None]:
        """Return the item's pieces; nothing is read before it is asked for."""
        if not self.extractors:
            return {"completion": item.completion, "prompt": item.prompt}
        return Pieces(self.extractors, item, Budget(self.limit_seconds))


def build_extraction(specs: Mapping[str, ExtractSpec], limit_seconds: float = LIMIT_SECONDS) -> Extraction:
    """Return the compiled extractors. Raise `ExtractError` where one is wrong or they form a cycle."""
    if len(specs) > MAX_EXTRACTORS:
        raise ExtractError(list(specs)[MAX_EXTRACTORS], f"more than {MAX_EXTRACTORS} extractors")
    size = [0]
    extractors = {name: _build_extractor(name, spec, size) for name, spec in specs.items()}
    known = {*GIVEN, *extractors}
    for name, extractor in extractors.items():
        if name in GIVEN:
            raise ExtractError(name, "is the name of a piece that every item has")
        for read in extractor.reads:
            if read not in known:
                nearest = find_nearest(read, known)
                raise ExtractError(name, f'unknown piece "{read}"{suggest(nearest)}', nearest)
    _check_cycles(extractors)
    return Extraction(extractors, limit_seconds)


def _build_extractor(name: str, spec: ExtractSpec, size: list[int]) -> Extractor:
    owner = f'extractor "{name}"'
    try:
        cut, written = _build_cut(spec, owner)
        replace, written_replace = _build_replace(spec.replace, owner)
    except ValueError as error:
        raise ExtractError(name, str(error)) from None
    size[0] += written + written_replace
    if size[0] > MAX_COMPILED_CHARS:
        raise ExtractError(name, "the recipe's patterns are too large together")
    return Extractor(name, spec.source, cut, replace, spec.strip, spec.absent, spec.absent_from)


def _check_cycles(extractors: Mapping[str, Extractor]) -> None:
    done: set[str] = set(GIVEN)

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            raise ExtractError(name, "cycle: " + " -> ".join((*trail[trail.index(name) :], name)))
        if name not in done:
            for read in extractors[name].reads:
                visit(read, (*trail, name))
            done.add(name)

    for name in extractors:
        visit(name, ())


def _build_cut(spec: ExtractSpec, owner: str) -> tuple[Cut, int]:
    """Return the method and how many characters of pattern it compiled."""
    last = spec.which == "last"
    flags = re.IGNORECASE if spec.ignore_case else 0
    if spec.between is not None:
        opening, closing = (compile_heading(one, ignore_case=spec.ignore_case) for one in spec.between)
        return _cut_pair(opening, closing, last), 0
    if spec.tag is not None:
        tag = re.escape(spec.tag)
        return _cut_pair(re.compile(f"<{tag}>", flags), re.compile(f"</{tag}>", flags), last), 0
    if spec.after is not None:
        return _cut_after(compile_heading(spec.after, ignore_case=spec.ignore_case), last, spec.line), 0
    if spec.boxed is not None:
        return _cut_boxed(spec.boxed == "last"), 0
    if spec.regex is not None:
        return _cut_regex(spec.regex, spec, last, owner)
    return (lambda text, budget: text), 0  # noqa: ARG005 - the shape of every cut


def _cut_pair(opening: re.Pattern[str], closing: re.Pattern[str], last: bool) -> Cut:
    """Cut between an opening and the nearest closing behind it.

    Where the first opening has no closing behind it, no later one has: the text is read once.
    """

    def cut(text: str, budget: Budget) -> str | None:  # noqa: ARG001
        piece, position = None, 0
        while (start := opening.search(text, position)) and (end := closing.search(text, start.end())):
            piece, position = text[start.end() : end.start()], end.end()
            if not last:
                break
        return piece

    return cut


def _cut_after(heading: re.Pattern[str], last: bool, line: bool) -> Cut:
    def cut(text: str, budget: Budget) -> str | None:  # noqa: ARG001
        found = heading.search(text)
        while last and found and (later := heading.search(text, found.end())):
            found = later
        if found is None:
            return None
        rest = text[found.end() :]
        return rest.lstrip().partition("\n")[0] if line else rest

    return cut


def _cut_boxed(last: bool) -> Cut:
    def cut(text: str, budget: Budget) -> str | None:  # noqa: ARG001
        opening = r"\boxed{"
        start = text.rfind(opening) if last else text.find(opening)
        if start < 0:
            return None
        start += len(opening)
        depth = 1
        for brace in re.finditer(r"[{}]", text[start:]):
            depth += 1 if brace[0] == "{" else -1
            if depth == 0:
                return text[start : start + brace.start()]
        return None

    return cut


def _cut_regex(source: str, spec: ExtractSpec, last: bool, owner: str) -> tuple[Cut, int]:
    pattern = compile_pattern(source, ignore_case=spec.ignore_case, dot_all=spec.dot_all)

    def cut(text: str, budget: Budget) -> str | None:
        found: Found | None
        found = pattern.search_last(text, budget, owner) if last else pattern.search(text, budget, owner)
        return None if found is None else found.text

    return cut, len(pattern.compiled.pattern)


def _build_replace(pair: list[str] | None, owner: str) -> tuple[Edit | None, int]:
    if pair is None:
        return None, 0
    source, template = pair
    pattern = compile_pattern(source)
    replacement: Replacement = compile_replacement(template, pattern)
    linear = LINEAR_REPLACEMENTS.get((source, template))
    if linear is not None:
        return (lambda text, budget: linear(text)), 0  # noqa: ARG005
    edit: Edit = lambda text, budget: pattern.substitute(replacement, text, budget, owner)  # noqa: E731
    return edit, len(pattern.compiled.pattern)


def tighten_tags(text: str) -> str:
    """Return what `re.sub(r"\\s*(<|>|/)\\s*", r"\\1", text)` returns, in linear time.

    `re` reads a run of white space again from each of its characters. A match is one of the three signs with
    all white space beside it, so the texts between the signs are stripped on the sides that touch a sign.
    """
    between = re.split(r"([<>/])", text)
    if len(between) == 1:
        return text
    between[0] = between[0].rstrip()
    between[-1] = between[-1].lstrip()
    between[2:-1:2] = [part.strip() for part in between[2:-1:2]]
    return "".join(between)


LINEAR_REPLACEMENTS: dict[tuple[str, str], Callable[[str], str]] = {
    (r"\s*(<|>|/)\s*", r"\1"): tighten_tags,
}
"""Replacements of published recipes that `re` makes in quadratic time."""
