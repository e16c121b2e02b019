"""What texts say and what pictures show, as rows of numbers: the labels of `hints`. It knows no network.

A row of a fact names a feature (of a picture, a thing or a text), the noun that the fact is about, and a
value. A noun is a pair of colour and shape, of which either may be open.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from visreward_service.scenes.claims import Claim, Existence, Noun, Relation, Setting, Total
from visreward_service.scenes.negatives import ALL_PLACES
from visreward_service.scenes.shapes import SHAPES
from visreward_service.scenes.spec import (
    BACKGROUND_COLOURS,
    BACKGROUND_KINDS,
    COLOURS,
    DIAMETERS,
    Group,
    Scene,
    relations,
)

Ids = NDArray[np.int64]

COUNTS = (1, 2, 3, 4)
SETTINGS = tuple((kind, colour) for kind in BACKGROUND_KINDS for colour in BACKGROUND_COLOURS)
RELATIONS = ("left", "right", "above", "below")
"""Two to an axis, the lesser side first."""
MOST_THINGS = 16

NUM_NOUNS = (1 + len(COLOURS)) * (1 + len(SHAPES))
VALUES = {
    "colour": tuple(COLOURS),
    "shape": SHAPES,
    "size": tuple(DIAMETERS),
    "count": COUNTS,
    "place": ALL_PLACES,
    "setting": SETTINGS,
    "total": tuple(range(MOST_THINGS + 1)),
}
"""The values of the facts about one noun or about none, by name; `relation` is about two."""

NO_NOUN = 0


def noun_number(colour: str | None, shape: str | None) -> int:
    column = 0 if shape is None else 1 + SHAPES.index(shape)
    row = 0 if colour is None else 1 + tuple(COLOURS).index(colour)
    return row * (1 + len(SHAPES)) + column


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of some features."""

    values: dict[str, Ids]
    "by a name of `VALUES`, (K, 3): feature, noun, value"
    relations: Ids
    "(K, 4): feature, first noun, second noun, relation"


@dataclass(kw_only=True)
class Ledger:
    """Facts while they are collected."""

    values: defaultdict[str, list[tuple[int, int, int]]] = field(default_factory=lambda: defaultdict(list))
    relations: list[tuple[int, int, int, int]] = field(default_factory=list)

    def close(self) -> Facts:
        values = {name: np.array(rows, np.int64) for name, rows in self.values.items()}
        return Facts(values=values, relations=np.array(self.relations, np.int64).reshape(-1, 4))

    def add(self, name: str, feature: int, noun: int, value: object) -> None:
        self.values[name].append((feature, noun, VALUES[name].index(value)))

    def add_noun(self, feature: int, noun: Noun, place: str | None = None) -> int:
        """What a noun gives; its number."""
        number = noun_number(noun.colour, noun.shape)
        for name, value in (("size", noun.size), ("count", noun.count), ("place", place)):
            if value is not None:
                self.add(name, feature, number, value)
        return number

    def add_looks(self, feature: int, noun: Noun) -> None:
        """Colour and shape, of what shows or names one noun only."""
        for name, value in (("colour", noun.colour), ("shape", noun.shape)):
            if value is not None:
                self.add(name, feature, NO_NOUN, value)

    def add_claim(self, feature: int, claim: Claim) -> None:
        match claim:
            case Existence(noun=noun, place=place):
                self.add_noun(feature, noun, place)
            case Relation(first=first, relation=relation, second=second):
                pair = (self.add_noun(feature, first), self.add_noun(feature, second))
                self.relations.append((feature, *pair, RELATIONS.index(relation)))
            case Total(count=count):
                self.add("total", feature, NO_NOUN, min(count, MOST_THINGS))
            case Setting(kind=kind, colour=colour):
                self.add("setting", feature, NO_NOUN, (kind, colour))

    def add_group(self, feature: int, group: Group) -> int:
        return self.add_noun(feature, Noun.of(group), group.place)

    def add_scene(self, feature: int, scene: Scene) -> None:
        """All that a picture shows."""
        numbers = {id(group): self.add_group(feature, group) for group in scene.groups}
        for first in scene.groups:
            for second in scene.groups:
                for relation in relations(first, second) if first is not second else ():
                    pair = (numbers[id(first)], numbers[id(second)])
                    self.relations.append((feature, *pair, RELATIONS.index(relation)))
        self.add("total", feature, NO_NOUN, min(scene.num_things, MOST_THINGS))
        self.add("setting", feature, NO_NOUN, (scene.background.kind, scene.background.colour))


def facts_of_texts(claims: Iterable[Iterable[Claim]]) -> Facts:
    """Of the claims of each text, true or false."""
    ledger = Ledger()
    for feature, of_text in enumerate(claims):
        for claim in of_text:
            ledger.add_claim(feature, claim)
    return ledger.close()


def facts_of_phrases(claims: Iterable[Claim]) -> Facts:
    """Of the claim of each phrase, about one noun or none."""
    ledger = Ledger()
    for feature, claim in enumerate(claims):
        ledger.add_claim(feature, claim)
        if isinstance(claim, Existence):
            ledger.add_looks(feature, claim.noun)
    return ledger.close()


def facts_of_scenes(scenes: Iterable[Scene]) -> Facts:
    ledger = Ledger()
    for feature, scene in enumerate(scenes):
        ledger.add_scene(feature, scene)
    return ledger.close()


def facts_of_things(groups: Iterator[Group]) -> Facts:
    """Of the group of each thing."""
    ledger = Ledger()
    for feature, group in enumerate(groups):
        ledger.add_group(feature, group)
        ledger.add_looks(feature, Noun.of(group))
    return ledger.close()
