"""Noun phrases of a text: the chunkers, and what is cleaned off their chunks. It knows no image and no score.

Time grows linearly with the characters read: sentences are cut here into windows of at most `MAX_WINDOW`
tokens, because the chunkers' own tokenizers and patterns are quadratic in a sentence's length.
"""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from threading import Lock
from typing import Any, Literal, NamedTuple

Chunker = Literal["textblob", "spacy"]
Place = Literal["begin", "inside", "outside"]
"""Of a word in a noun phrase."""

MAX_WINDOW = 48
"""Tokens that a chunker sees at once."""
MAX_WORD_CHARACTERS = 32
"""A longer token is no word, and ends a phrase."""

TOKEN = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*|[^\w\s]|_+|\n{2,}")
STOPS = frozenset(".!?;:#*|\n")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DETERMINERS = _words(
    "a an the this that these those some any each every both all its his her their our my your"
)
NOT_SEEN = _words(
    "image picture photo photograph figure scene background view there it he she they we you i top "
    "bottom left right centre center middle side corner edge front back rest total description step "
    "answer rationale rationales one something nothing everything what which who"
)
"""Heads of phrases that name a place in the picture, the picture itself or nothing at all."""

SPACY_MODEL = "en_core_web_sm"
SPACY_INSTALL = f"pip install 'visreward[phrases]', then python -m spacy download {SPACY_MODEL}"

_loading = Lock()


class Token(NamedTuple):
    """A word as the chunker saw it."""

    text: str
    noun: bool
    chunk: Place


Chunk = Callable[[Sequence[str]], Iterable[Token]]
"""From the words of one window to the same words, each marked with its place in a noun phrase."""


def check_chunker(name: Chunker) -> None:
    """Raise ValueError where the chunker cannot be loaded.

    textblob is only looked for, which is quick enough for every reading of the recipes; it brings its data.
    """
    if name == "textblob" and find_spec("textblob") is not None:
        return
    load_chunker(name)


@lru_cache(maxsize=2)
def load_chunker(name: Chunker) -> Chunk:
    """Return the chunker, its lexicon loaded. Raises ValueError where its package or its data is absent."""
    # textblob fills its lexicon on first use, which two threads must not do at once; it leaves files open.
    with _loading, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            chunk = _LOADERS[name]()
        except (ImportError, OSError) as error:
            raise ValueError(f'the chunker "{name}" cannot be loaded: {error}') from error
        list(chunk(["a", "red", "circle"]))
        return chunk


@lru_cache(maxsize=1024)
def noun_phrases(
    text: str, *, chunker: Chunker = "textblob", keep_determiners: bool = False, max_words: int = 8
) -> tuple[str, ...]:
    """Return the noun phrases in the order of the text, each once, in lower-case.

    Two phrases that differ in their determiner are one. Of a phrase with more than `max_words` words the last
    ones are kept, for the head of an English noun phrase stands at its end.
    """
    chunk = load_chunker(chunker)
    found: dict[str, str] = {}
    for window in windows(text):
        for words in group(chunk(window)):
            bare = strip_determiners(words)[-max_words:]
            if not bare or bare[-1] in NOT_SEEN:
                continue
            kept = [*words[: len(words) - len(bare)], *bare][-max_words:] if keep_determiners else bare
            found.setdefault(" ".join(bare), " ".join(kept))
    return tuple(found.values())


def windows(text: str) -> Iterator[list[str]]:
    """Yield the sentences as tokens, long ones in parts of `MAX_WINDOW`."""
    words: list[str] = []
    for match in TOKEN.finditer(text):
        token = match.group()
        words.append(token if len(token) <= MAX_WORD_CHARACTERS and not token.isspace() else "|")
        if token[0] in STOPS or len(words) == MAX_WINDOW:
            yield words
            words = []
    if words:
        yield words


def group(tokens: Iterable[Token]) -> Iterator[list[str]]:
    """Yield the words of each chunk that has a noun, in lower case."""
    words: list[str] = []
    noun = False
    for token in (*tokens, Token("", noun=False, chunk="outside")):
        if token.chunk != "inside":
            if words and noun:
                yield words
            words, noun = [], False
        if token.chunk != "outside" and token.text[0].isalnum():
            words.append(token.text.lower())
            noun = noun or token.noun


def strip_determiners(words: list[str]) -> list[str]:
    """Return the words without the determiners in front."""
    start = next((i for i, word in enumerate(words) if word not in DETERMINERS), len(words))
    return words[start:]


def mend(tagged: Sequence[tuple[str, str, str]]) -> Iterator[Token]:
    """Yield words with textblob's tags and chunks, the nouns that its lexicon takes for verbs put right.

    "A small green cross" has no noun there. After an article or a number, words up to a verb that cannot
    follow them are a noun phrase: no verb follows an adjective, no plain form "a ... cyan", and no singular
    form "two ... cyan".
    """
    marks: list[Place] = [_PLACES.get(mark, "outside") for _, _, mark in tagged]
    nouns = [tag.startswith("NN") for _, tag, _ in tagged]
    start: int | None = None
    for at, (word, tag, _) in enumerate(tagged):
        if start is not None and tag in _VERBS and word.lower() not in _AUXILIARIES:
            if _lacks_noun(tagged[start:at], tag):
                nouns[at] = True
                marks[start] = "begin"
                marks[start + 1 : at + 1] = ["inside"] * (at - start)
            start = None
        elif tag in ("DT", "PRP$") or (tag == "CD" and start is None):
            start = at
        elif not tag.startswith(("JJ", "NN", "CD")):
            start = None
    for (word, _, _), noun, mark in zip(tagged, nouns, marks):
        yield Token(word, noun, mark)


def _lacks_noun(words: Sequence[tuple[str, str, str]], verb: str) -> bool:
    """Return whether a verb cannot follow the words, so that it is their noun."""
    first, last = words[0][0].lower(), words[-1][1]
    if last.startswith("JJ"):
        return True
    if last in ("DT", "PRP$", "CD"):
        return first not in _PRONOUNS
    singular_verb = verb == "VBZ"
    if words[0][1] == "CD" and first != "one":
        return last == "NN" and singular_verb
    return first in ("a", "an") and last == "NN" and not singular_verb


def _load_textblob() -> Chunk:
    """textblob's bundled lexicon and chunk rules: no corpora, no downloads."""
    parse = import_module("textblob.en").parse

    def chunk(words: Sequence[str]) -> Iterator[Token]:
        parsed = parse(" ".join(words), tokenize=False, tags=True, chunks=True, collapse=False)
        for sentence in parsed:
            yield from mend([(word, tag, mark) for word, tag, mark, *_ in sentence])

    return chunk


def _load_spacy() -> Chunk:
    """spaCy with an English model from the packages installed; its noun chunks."""
    if find_spec("spacy") is None:
        raise ImportError(f"spaCy is not installed: {SPACY_INSTALL}")
    spacy: Any = import_module("spacy")
    names = [name for name in spacy.util.get_installed_models() if name.startswith(SPACY_MODEL)]
    if not names:
        raise ImportError(f"spaCy has no English model {SPACY_MODEL}: {SPACY_INSTALL}")
    language = spacy.load(min(names), exclude=["ner", "lemmatizer"])
    document_of = import_module("spacy.tokens").Doc

    def chunk(words: Sequence[str]) -> Iterator[Token]:
        document = document_of(language.vocab, words=list(words))
        for _, component in language.pipeline:
            document = component(document)
        starts = {span.start for span in document.noun_chunks}
        inside = {at for span in document.noun_chunks for at in range(span.start, span.end)}
        for token in document:
            place: Place = "begin" if token.i in starts else "inside" if token.i in inside else "outside"
            yield Token(token.text, token.pos_ in ("NOUN", "PROPN"), place)

    return chunk


_VERBS = ("VB", "VBZ", "VBP")
_AUXILIARIES = _words("am are be can did do does had has have is was were")
_PRONOUNS = _words("all both each some that these this those")
_PLACES: dict[str, Place] = {"B-NP": "begin", "I-NP": "inside"}
_LOADERS: dict[Chunker, Callable[[], Chunk]] = {"textblob": _load_textblob, "spacy": _load_spacy}
