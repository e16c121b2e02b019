"""Choices and words."""

import random

from tests.service.scorers.answers.corpus.variant import right, wrong

WORDS = ("circle", "square", "triangle", "banana", "camera", "window", "garden", "planet", "silver", "yellow")


@right("choice: brackets and case", "the same letter")
def _(rng: random.Random) -> tuple[str, str]:
    letter = rng.choice("ABCDEF")
    given = rng.choice(
        (f"({letter})", letter.lower(), f"{letter}.", f"\\text{{{letter}}}", f"\\textbf{{({letter})}}")
    )
    return given, letter


@wrong("choice: another letter", "another option")
def _(rng: random.Random) -> tuple[str, str]:
    first, second = rng.sample("ABCDEF", 2)
    return rng.choice((f"({first})", first, f"\\text{{{first}}}")), second


@right("words: case and dressing", "the same words")
def _(rng: random.Random) -> tuple[str, str]:
    word, other = rng.sample(WORDS, 2)
    phrase = rng.choice((word, f"{word} {other}"))
    return rng.choice(
        (f"\\text{{{phrase}}}", phrase.upper(), f"{phrase.capitalize()}.", f" {phrase}  ")
    ), phrase


@wrong("words: another", "another word")
def _(rng: random.Random) -> tuple[str, str]:
    first, second = rng.sample(WORDS, 2)
    return first, second


@wrong("words: the same letters", "words are not products of letters")
def _(rng: random.Random) -> tuple[str, str]:
    first, second = rng.choice(
        (("cat", "act"), ("on", "no"), ("tan", "ant"), ("was", "saw"), ("dog", "god"), ("eat", "tea"))
    )
    return first, second
