"""False statements that are nearly true: each changes one thing and is checked against the scene."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

from visreward_service.scenes.claims import Claim, Existence, Noun, Relation, Setting, Total
from visreward_service.scenes.grammar import Caption, Description, RegionPhrase, phrase_for
from visreward_service.scenes.shapes import SHAPES
from visreward_service.scenes.spec import BACKGROUND_COLOURS, BACKGROUND_KINDS, COLOURS, PLACES, Scene

NEGATIVE_KINDS = ("attributes", "relation", "count", "object")

OPPOSITES = {"left": "right", "right": "left", "above": "below", "below": "above"}
ALL_PLACES = tuple(place for row in PLACES for place in row)


def hard_negatives(scene: Scene, caption: Caption, random: Random) -> dict[str, Caption]:
    """One false caption of each of `NEGATIVE_KINDS`, in the wording of the true one.

    attributes: two groups swap their colours (or their shapes, where the colours are equal); where the
    caption names one group, it takes another's colour or any other. relation: the opposite one, or another
    place. count: another number of one group. object: another shape of one group.
    """
    return {
        kind: replace(caption, claim=first_false(scene, CHANGES[kind](scene, caption.claim, random)))
        for kind in NEGATIVE_KINDS
    }


def false_detail(scene: Scene, description: Description, random: Random) -> Description:
    """The description with one claim changed so that it does not hold."""
    claims = description.claims
    at = random.randrange(len(claims))
    changed = first_false(scene, changes_of_detail(scene, claims[at], random))
    return replace(description, claims=(*claims[:at], changed, *claims[at + 1 :]))


def false_phrases(scene: Scene, phrase: RegionPhrase, random: Random) -> tuple[RegionPhrase, RegionPhrase]:
    """The phrase with another colour and with another shape; neither names anything in the scene, in any
    number.

    The other attribute comes from another group of the scene where that gives a false phrase.
    """
    return (
        phrase_for(scene, absent(scene, recoloured(scene, phrase.noun, random)), article=True),
        phrase_for(scene, absent(scene, reshaped(scene, phrase.noun, random)), article=True),
    )


def first_false(scene: Scene, claims: Iterator[Any]) -> Any:
    """The first that does not hold. The iterators of this module never run out before one is found."""
    return next(claim for claim in claims if not claim.holds(scene))


def absent(scene: Scene, nouns: Iterator[Noun]) -> Noun:
    """The first noun that names no group of the scene whatever its count and size."""
    return next(
        noun
        for noun in nouns
        if not any(replace(noun, count=None, size=None).names(group) for group in scene.groups)
    )


def swapped_attributes(scene: Scene, claim: Existence | Relation, random: Random) -> Iterator[Any]:
    match claim:
        case Existence(noun=noun):
            for other in recoloured(scene, noun, random):
                yield replace(claim, noun=other)
        case Relation(first=first, second=second):
            name = "colour" if first.colour != second.colour else "shape"
            yield replace(claim, first=taking(first, second, name), second=taking(second, first, name))
            for other in recoloured(scene, first, random):
                yield replace(claim, first=other)


def taking(noun: Noun, other: Noun, name: str) -> Noun:
    """The noun with the other's attribute of a name."""
    changed: dict[str, Any] = {name: getattr(other, name)}
    return replace(noun, **changed)


def swapped_relation(scene: Scene, claim: Existence | Relation, random: Random) -> Iterator[Any]:
    match claim:
        case Existence():
            for place in shuffled(ALL_PLACES, random):
                yield replace(claim, place=place)
        case Relation(relation=relation):
            yield replace(claim, relation=OPPOSITES[relation])
            yield from wrong_object(scene, claim, random)


def wrong_count(scene: Scene, claim: Existence | Relation, random: Random) -> Iterator[Any]:  # noqa: ARG001
    field = random.choice(noun_fields(claim))
    for count in shuffled((1, 2, 3, 4), random):
        yield with_noun(claim, field, replace(getattr(claim, field), count=count))


def wrong_object(scene: Scene, claim: Existence | Relation, random: Random) -> Iterator[Any]:
    field = random.choice(noun_fields(claim))
    for noun in reshaped(scene, getattr(claim, field), random):
        yield with_noun(claim, field, noun)


def with_noun(claim: Existence | Relation, field: str, noun: Noun) -> Existence | Relation:
    changed: dict[str, Any] = {field: noun}
    return replace(claim, **changed)


def noun_fields(claim: Existence | Relation) -> tuple[str, ...]:
    return ("noun",) if isinstance(claim, Existence) else ("first", "second")


def recoloured(scene: Scene, noun: Noun, random: Random) -> Iterator[Noun]:
    """The noun in other colours: those of other groups first, then any."""
    present = shuffled((group.colour for group in scene.groups), random)
    for colour in (*present, *shuffled(COLOURS, random)):
        if colour != noun.colour:
            yield replace(noun, colour=colour)


def reshaped(scene: Scene, noun: Noun, random: Random) -> Iterator[Noun]:
    """The noun with other shapes: half the time those of other groups first, then any."""
    present = shuffled((group.shape for group in scene.groups), random) if random.random() < 0.5 else []
    for shape in (*present, *shuffled(SHAPES, random)):
        if shape != noun.shape:
            yield replace(noun, shape=shape)


def shuffled(values: Iterable[Any], random: Random) -> list[Any]:
    drawn = list(values)
    random.shuffle(drawn)
    return drawn


CHANGES: dict[str, Callable[[Scene, Existence | Relation, Random], Iterator[Any]]] = {
    "attributes": swapped_attributes,
    "relation": swapped_relation,
    "count": wrong_count,
    "object": wrong_object,
}


def changes_of_detail(scene: Scene, claim: Claim, random: Random) -> Iterator[Any]:
    match claim:
        case Setting():
            if random.random() < 0.5:
                yield from (replace(claim, kind=kind) for kind in shuffled(BACKGROUND_KINDS, random))
            yield from (replace(claim, colour=colour) for colour in shuffled(BACKGROUND_COLOURS, random))
        case Total(count=count):
            yield replace(claim, count=count + random.choice((1, 2, -1) if count > 1 else (1, 2)))
        case Existence() | Relation():
            kind = random.choice(("attributes", "relation", "object", "count"))
            if isinstance(claim, Relation) and kind == "count":
                kind = "relation"
            yield from CHANGES[kind](scene, claim, random)
