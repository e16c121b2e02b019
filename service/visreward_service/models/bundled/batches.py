"""What one training step sees, in arrays: token ids, boxes, and the attributes that say which phrase names
what.

A batch is a function of its seed, so a run that is resumed goes on as it would have. It knows no network
and no pictures.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from visreward_service.models.bundled.facts import (
    COUNTS,
    SETTINGS,
    Facts,
    facts_of_phrases,
    facts_of_scenes,
    facts_of_texts,
    facts_of_things,
)
from visreward_service.scenes.claims import Existence, Noun, Setting
from visreward_service.scenes.grammar import (
    Caption,
    Description,
    long_description,
    noun_of,
    place_caption,
    short_caption,
)
from visreward_service.scenes.negatives import (
    ALL_PLACES,
    NEGATIVE_KINDS,
    absent,
    false_detail,
    hard_negatives,
    recoloured,
    reshaped,
)
from visreward_service.scenes.shapes import SHAPES
from visreward_service.scenes.spec import (
    CANVAS_PIXELS,
    COLOURS,
    DIAMETERS,
    Group,
    Scene,
)
from visreward_service.scenes.words import (
    NUMBERS,
    PLACE_WORDINGS,
    SETTING_WORDINGS,
    bare,
    definite,
    indefinite,
)

Ids = NDArray[np.int64]

OPEN = -1
ATTRIBUTES: tuple[tuple[object, ...], ...] = (
    tuple(DIAMETERS),
    tuple(COLOURS),
    SHAPES,
    COUNTS,
    ALL_PLACES,
    SETTINGS,
)
"""Size, colour, shape, count and place of a group, and the kind and colour of the background."""

SETTING = 5
NUM_FALSE_DESCRIPTIONS = 2


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a step asks for. The curriculum is a row of these."""

    batch_size: int
    num_captions: int
    "How many of the batch's scenes, from the first, have captions, of two groups and of one with its place."
    num_descriptions: int


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One step's scenes (B) with their captions, descriptions, phrases (M) and things (R)."""

    scenes: Ids
    "(B,) indices into the pool"
    captions: Ids | None
    "(B * 5, T): the true one and its four negatives, scene by scene"
    caption_facts: Facts
    places: Ids | None
    "(B * 5, T): captions of one group and its place, likewise"
    place_facts: Facts
    descriptions: Ids | None
    "(B * 3, T): the true one and two with a false detail, scene by scene"
    description_facts: Facts
    phrases: Ids
    "(M, T), true and false ones"
    phrase_scenes: Ids
    "(M,) the place in the batch of the scene for which a phrase was made"
    phrase_facts: Facts
    phrase_attributes: Ids
    "(M, 6) `ATTRIBUTES` by number, OPEN where the phrase leaves one open"
    thing_boxes: NDArray[np.float32]
    "(R, 4) as fractions of the canvas"
    thing_scenes: Ids
    "(R,)"
    thing_facts: Facts
    thing_attributes: Ids
    "(R, 6) `ATTRIBUTES` by number, the background that of the thing's scene"
    scene_facts: Facts


def encode(tokenizer: Tokenizer, texts: Sequence[str], end: int) -> Ids:
    """Token ids, padded with the end token to the longest."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]
    ids = np.full((len(rows), max(map(len, rows))), end, np.int64)
    for row, values in zip(ids, rows):
        row[: len(values)] = values
    return ids


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """A text and what it says."""

    text: str
    claim: Existence | Setting

    @property
    def attributes(self) -> tuple[int, ...]:
        """`ATTRIBUTES` by number, OPEN where the text leaves one open."""
        if isinstance(self.claim, Setting):
            return numbered(None, None, None, None, None, (self.claim.kind, self.claim.colour))
        noun = self.claim.noun
        return numbered(noun.size, noun.colour, noun.shape, noun.count, self.claim.place)


def numbered(*values: object) -> tuple[int, ...]:
    """Values of `ATTRIBUTES`, as many as there are, by number."""
    given = (*values, *(None,) * (len(ATTRIBUTES) - len(values)))
    return tuple(OPEN if v is None else names.index(v) for v, names in zip(given, ATTRIBUTES))


def phrase_nouns(scene: Scene, random: Random) -> Iterator[Noun]:
    """Each group in some words, then the first one with a wrong colour and with a wrong shape."""
    groups = random.sample(scene.groups, len(scene.groups))
    for group in groups:
        noun = noun_of(group, sized=random.random() < 0.4)
        yield random.choices((noun, replace(noun, colour=None), replace(noun, shape=None)), (6, 3, 1))[0]
    first = noun_of(groups[0], sized=False)
    yield absent(scene, recoloured(scene, first, random))
    yield absent(scene, reshaped(scene, first, random))


def phrase_of(noun: Noun, random: Random) -> Phrase:
    """With an article, a number or neither; half the plurals are put in the singular."""
    if random.random() < 0.5:
        noun = replace(noun, count=1)
    text = random.choice((indefinite, definite, bare))(noun)
    claim = Existence(noun=replace(noun, count=None))
    return Phrase(text=text, claim=claim)


def statements(scene: Scene, random: Random) -> Iterator[Phrase]:
    """How many there are of a group, where a group is, and what the background is: each as it is and as it
    may not be.
    """
    group = random.choice(scene.groups)
    for count in (group.count, random.choice([n for n in COUNTS if n != group.count])):
        noun = Noun(count=count, colour=group.colour, shape=group.shape)
        text = f"{NUMBERS[count]} {bare(noun)}"
        yield Phrase(text=text, claim=Existence(noun=noun))
    group = random.choice(scene.groups)
    noun = Noun(colour=group.colour, shape=group.shape) if random.random() < 0.5 else Noun()
    for place in (group.place, random.choice(ALL_PLACES)):
        text = f"{indefinite(noun)} {random.choice(PLACE_WORDINGS[place])}"
        yield Phrase(text=text, claim=Existence(noun=noun, place=place))
    actual = (scene.background.kind, scene.background.colour)
    for kind, colour in (actual, random.choice(SETTINGS)):
        text = f"the background is {SETTING_WORDINGS[kind].format(colour=colour)}"
        yield Phrase(text=text, claim=Setting(kind=kind, colour=colour))


def build_batch(pool: Sequence[Scene], plan: Plan, tokenizer: Tokenizer, *, end: int, seed: int) -> Batch:
    """The batch of a seed."""
    random = Random(seed)  # noqa: S311
    indices = np.array([random.randrange(len(pool)) for _ in range(plan.batch_size)])
    scenes = [pool[i] for i in indices]
    nouns = [(i, noun) for i, scene in enumerate(scenes) for noun in phrase_nouns(scene, random)]
    things = [(i, group, thing) for i, s in enumerate(scenes) for group in s.groups for thing in group.things]
    captions: list[Caption] = []
    places: list[Caption] = []
    descriptions: list[Description] = []
    for scene in scenes[: plan.num_captions]:
        caption = short_caption(scene, random)
        negatives = hard_negatives(scene, caption, random)
        captions += [caption, *(negatives[kind] for kind in NEGATIVE_KINDS)]
    for scene in scenes[: plan.num_descriptions]:
        description = long_description(scene, random)
        false = (false_detail(scene, description, random) for _ in range(NUM_FALSE_DESCRIPTIONS))
        descriptions += [description, *false]
    for scene in scenes[: plan.num_captions]:
        caption = place_caption(scene, random)
        negatives = hard_negatives(scene, caption, random)
        places += [caption, *(negatives[kind] for kind in NEGATIVE_KINDS)]
    phrases = [(i, phrase_of(noun, random)) for i, noun in nouns]
    phrases += [(i, phrase) for i, scene in enumerate(scenes) for phrase in statements(scene, random)]
    return Batch(
        scenes=indices,
        captions=encode(tokenizer, [caption.text for caption in captions], end) if captions else None,
        caption_facts=facts_of_texts((caption.claim,) for caption in captions),
        places=encode(tokenizer, [caption.text for caption in places], end) if places else None,
        place_facts=facts_of_texts((caption.claim,) for caption in places),
        descriptions=encode(tokenizer, [d.text for d in descriptions], end) if descriptions else None,
        description_facts=facts_of_texts(description.claims for description in descriptions),
        phrases=encode(tokenizer, [phrase.text for _, phrase in phrases], end),
        phrase_scenes=np.array([i for i, _ in phrases]),
        phrase_facts=facts_of_phrases(phrase.claim for _, phrase in phrases),
        phrase_attributes=np.array([phrase.attributes for _, phrase in phrases]),
        thing_boxes=(np.array([thing.box for _, _, thing in things]) / CANVAS_PIXELS).astype(np.float32),
        thing_scenes=np.array([i for i, _, _ in things]),
        thing_facts=facts_of_things(group for _, group, _ in things),
        thing_attributes=np.array([attributes_of(scenes[i], group) for i, group, _ in things]),
        scene_facts=facts_of_scenes(scenes),
    )


def attributes_of(scene: Scene, group: Group) -> tuple[int, ...]:
    setting = (scene.background.kind, scene.background.colour)
    return numbered(group.size, group.colour, group.shape, group.count, group.place, setting)
