"""Noun phrases of a text: the chunkers, and what is cleaned off their chunks. It knows no image and no score.

Time grows linearly with the characters read: sentences are cut here into windows of at most `MAX_WINDOW`
tokens, because the chunkers' own tokenizers and patterns are quadratic in a sentence's length.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from threading import Lock
from typing import Any, Literal, NamedTuple

Chunker = Literal["textblob", "spacy"]

MAX_WINDOW = 48
"""Tokens that a chunker sees at once."""
MAX_WORD_CHARACTERS = 32
"""A longer token is no word, and ends a phrase."""

TOKEN = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*|[^\w\s]|_+|\n{2,}")
STOPS = frozenset(".!?;:#*|\n")

DETERMINERS = frozenset(
    "a an the this that these those some any each every both all its his her their our my your".split()
)
NOT_SEEN = frozenset(
    "image picture photo photograph figure scene background view there it he she they we you i "
    "top bottom left right centre center middle side corner edge front back rest total "
    "description step answer rationale rationales one something nothing everything what which who".split()
)
"""Heads of phrases that name a place in the picture, the picture itself or nothing at all."""

_loading = Lock()


class Token(NamedTuple):
    """A word as the chunker saw it."""

    text: str
    noun: bool
    chunk: Literal["begin", "inside", "outside"]


Chunk = Callable[[Sequence[str]], Iterable[Token]]
"""From the words of one window to the same words, each marked with its place in a noun phrase."""


@lru_cache(maxsize=2)
def load_chunker(name: Chunker) -> Chunk:
    """Return the chunker, its lexicon loaded. Raises ValueError where its package or its data is absent."""
    with _loading:  # textblob fills its lexicon on first use, which two threads must not do at once
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
    return


def strip_determiners(words: list[str]) -> list[str]:
    """Return the words without the determiners in front."""
    start = next((i for i, word in enumerate(words) if word not in DETERMINERS), len(words))
    return words[start:]


def _load_textblob() -> Chunk:
    """textblob's bundled lexicon and chunk rules: no corpora, no downloads."""
    parse = import_module("textblob.en").parse

    def chunk(words: Sequence[str]) -> Iterator[Token]:
        parsed = parse(" ".join(words), tokenize=False, tags=True, chunks=True, collapse=False)
        for sentence in parsed:
            for word, tag, mark, *_ in sentence:
                yield Token(word, tag.startswith("NN"), _PLACES.get(mark, "outside"))

    return chunk


def _load_spacy() -> Chunk:
    """spaCy with an English model from the packages installed; its noun chunks."""
    spacy: Any = import_module("spacy")
    names = [name for name in spacy.util.get_installed_models() if name.startswith("en_core_web_sm")]
    if not names:
        raise ImportError("no English model (en_core_web_sm) is installed for spaCy")
    language = spacy.load(sorted(names)[0], exclude=["ner", "lemmatizer"])
    document_of = import_module("spacy.tokens").Doc

    def chunk(words: Sequence[str]) -> Iterator[Token]:
        document = document_of(language.vocab, words=list(words))
        for _, component in language.pipeline:
            document = component(document)
        starts = {span.start for span in document.noun_chunks}
        inside = {at for span in document.noun_chunks for at in range(span.start, span.end)}
        for token in document:
            place = "begin" if token.i in starts else "inside" if token.i in inside else "outside"
            yield Token(token.text, token.pos_ in ("NOUN", "PROPN"), place)  # type: ignore[arg-type]

    return chunk


_PLACES: dict[str, Literal["begin", "inside", "outside"]] = {"B-NP": "begin", "I-NP": "inside"}
_LOADERS: dict[Chunker, Callable[[], Chunk]] = {"textblob": _load_textblob, "spacy": _load_spacy}
