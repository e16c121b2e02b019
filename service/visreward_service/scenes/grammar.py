"""What can be truly said of a scene: captions, descriptions, region phrases, questions, key words.

Captions and descriptions keep their claims, from which `negatives` makes false ones. Whether a claim holds
is asked in `claims`, how it reads in `words`.
"""

from dataclasses import dataclass
from itertools import pairwise
from random import Random

from visreward_service.scenes.claims import Claim, Existence, Noun, Relation, Setting, Total
from visreward_service.scenes.shapes import Box
from visreward_service.scenes.spec import Group, Scene, relations
from visreward_service.scenes.words import (
    NUMBERS,
    PLACE_WORDINGS,
    caption_text,
    definite,
    indefinite,
    plural,
    sentence,
    verb,
)

STYLES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Caption:
    """One claim in a few words."""

    claim: Existence | Relation
    style: int

    @property
    def text(self) -> str:
        return caption_text(self.claim, self.style)

    def holds(self, scene: Scene) -> bool:
        return self.claim.holds(scene)


@dataclass(frozen=True, kw_only=True)
class Description:
    """Several claims, a sentence each."""

    claims: tuple[Claim, ...]
    style: int

    @property
    def text(self) -> str:
        return " ".join(sentence(claim, self.style + i) for i, claim in enumerate(self.claims))

    def holds(self, scene: Scene) -> bool:
        return all(claim.holds(scene) for claim in self.claims)


@dataclass(frozen=True, kw_only=True)
class RegionPhrase:
    """A phrase and the things that it names; boxes are `(x1, y1, x2, y2)` in pixels of the canvas."""

    noun: Noun
    text: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True, kw_only=True)
class Question:
    text: str
    answer: str


def short_caption(scene: Scene, random: Random) -> Caption:
    """Two groups and how they stand to each other, or (always, where there is one group) a group and its
    place."""
    style = random.randrange(STYLES)
    sized = random.random() < 0.5
    if len(scene.groups) > 1 and random.random() < 0.8:
        first, second = random.sample(scene.groups, 2)
        return Caption(claim=relation_claim(first, second, random, sized=sized), style=style)
    group = random.choice(scene.groups)
    return Caption(claim=Existence(noun=noun_of(group, sized=sized), place=group.place), style=style)


def place_caption(scene: Scene, random: Random) -> Caption:
    """A group and its place."""
    style = random.randrange(STYLES)
    group = random.choice(scene.groups)
    noun = noun_of(group, sized=random.random() < 0.5)
    return Caption(claim=Existence(noun=noun, place=group.place), style=style)


def long_description(scene: Scene, random: Random) -> Description:
    """Every group with its place, the background, how many things there are, and some relations."""
    claims: list[Claim] = [
        Existence(noun=noun_of(group, sized=True), place=group.place)
        for group in random.sample(scene.groups, len(scene.groups))
    ]
    claims.insert(random.choice((0, len(claims))), setting_of(scene))
    for first, second in neighbours(scene, random)[:2]:
        claims.append(relation_claim(first, second, random, sized=False))
    claims.insert(random.choice((0, len(claims))), Total(count=scene.num_things))
    return Description(claims=tuple(claims), style=random.randrange(STYLES))


def region_phrases(scene: Scene, random: Random) -> tuple[RegionPhrase, ...]:
    """One phrase per group, with its colour and shape, in any order."""
    return tuple(
        phrase_for(scene, noun_of(group, sized=random.random() < 0.5), article=random.random() < 0.7)
        for group in random.sample(scene.groups, len(scene.groups))
    )


def phrase_for(scene: Scene, noun: Noun, *, article: bool) -> RegionPhrase:
    """The phrase of a noun ("three small red circles", or "the small red circles") with all the boxes it
    names."""
    named = [thing.box for group in scene.groups if noun.names(group) for thing in group.things]
    return RegionPhrase(noun=noun, text=indefinite(noun) if article else definite(noun), boxes=tuple(named))


def questions(scene: Scene) -> tuple[Question, ...]:
    """How many, of which colour, of which shape and where, each only where one answer is right."""
    asked = [
        Question(
            text=f"How many {group.colour} {plural(group.shape)} are there?",
            answer=str(group.count),
        )
        for group in scene.groups
    ]
    asked.append(Question(text="How many objects are there?", answer=str(scene.num_things)))
    for group in scene.groups:
        things = plural(group.shape) if group.count > 1 else group.shape
        is_are = verb(Noun(count=group.count))
        if sum(other.shape == group.shape for other in scene.groups) == 1:
            asked.append(Question(text=f"What colour {is_are} the {things}?", answer=group.colour))
        if sum(other.colour == group.colour for other in scene.groups) == 1:
            objects = "objects" if group.count > 1 else "object"
            shape = f"What shape {is_are} the {group.colour} {objects}?"
            asked.append(Question(text=shape, answer=group.shape))
        where = f"Where {is_are} the {group.colour} {things}?"
        asked.append(Question(text=where, answer=PLACE_WORDINGS[group.place][0]))
    return tuple(asked)


def key_words(scene: Scene) -> tuple[str, ...]:
    """Numbers, sizes, colours and shapes of the groups, each word once; shapes in the number that a caption
    uses."""
    words = [
        word
        for group in scene.groups
        for word in (
            *((NUMBERS[group.count],) if group.count > 1 else ()),
            group.size,
            group.colour,
            plural(group.shape) if group.count > 1 else group.shape,
        )
    ]
    return tuple(dict.fromkeys(words))


def noun_of(group: Group, *, sized: bool) -> Noun:
    """Its count, colour and shape, and its size where asked for."""
    return Noun(count=group.count, size=group.size if sized else None, colour=group.colour, shape=group.shape)


def relation_claim(first: Group, second: Group, random: Random, *, sized: bool) -> Relation:
    relation = random.choice(relations(first, second))
    return Relation(first=noun_of(first, sized=sized), relation=relation, second=noun_of(second, sized=sized))


def setting_of(scene: Scene) -> Setting:
    return Setting(kind=scene.background.kind, colour=scene.background.colour)


def neighbours(scene: Scene, random: Random) -> list[tuple[Group, Group]]:
    """Pairs of groups, each group once or twice, in any order."""
    groups = random.sample(scene.groups, len(scene.groups))
    return list(pairwise(groups))
