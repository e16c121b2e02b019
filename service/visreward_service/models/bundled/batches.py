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

from visreward_service.scenes.claims import Noun
from visreward_service.scenes.grammar import long_description, noun_of, place_caption, short_caption
from visreward_service.scenes.negatives import (
    NEGATIVE_KINDS,
    absent,
    false_detail,
    hard_negatives,
    recoloured,
    reshaped,
)
from visreward_service.scenes.shapes import SHAPES
from visreward_service.scenes.spec import CANVAS_PIXELS, COLOURS, DIAMETERS, Scene
from visreward_service.scenes.words import bare, definite, indefinite

Ids = NDArray[np.int64]

OPEN = -1
ATTRIBUTES = {"size": tuple(DIAMETERS), "colour": tuple(COLOURS), "shape": SHAPES}
NUM_FALSE_DESCRIPTIONS = 2


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a step asks for. The curriculum is a row of these."""

    scenes: NDArray[np.int64]
    "Indices into the pool, to draw from."
    batch_size: int
    num_captions: int
    "How many of the batch's scenes, from the first, have captions."
    num_places: int
    "How many have captions of one group and its place."
    num_descriptions: int


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One step's scenes (B) with their captions, descriptions, phrases (M) and things (R)."""

    scenes: Ids
    "(B,) indices into the pool"
    captions: Ids | None
    "(B * 5, T): the true one and its four negatives, scene by scene"
    places: Ids | None
    "(B * 5, T): captions of one group and its place, likewise"
    descriptions: Ids | None
    "(B * 3, T): the true one and two with a false detail, scene by scene"
    phrases: Ids
    "(M, T), true and false ones"
    phrase_scenes: Ids
    "(M,) the place in the batch of the scene for which a phrase was made"
    phrase_attributes: Ids
    "(M, 3) size, colour and shape by number, OPEN where the phrase leaves one open"
    thing_boxes: NDArray[np.float32]
    "(R, 4) as fractions of the canvas"
    thing_scenes: Ids
    "(R,)"
    thing_attributes: Ids
    "(R, 3)"


def encode(tokenizer: Tokenizer, texts: Sequence[str], end: int) -> Ids:
    """Token ids, padded with the end token to the longest."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]
    ids = np.full((len(rows), max(map(len, rows))), end, np.int64)
    for row, values in zip(ids, rows):
        row[: len(values)] = values
    return ids


def numbered(noun: Noun) -> list[int]:
    values = (noun.size, noun.colour, noun.shape)
    return [OPEN if v is None else names.index(v) for v, names in zip(values, ATTRIBUTES.values())]


def phrase_nouns(scene: Scene, random: Random) -> Iterator[Noun]:
    """Each group in some words, then the first one with a wrong colour and with a wrong shape."""
    groups = random.sample(scene.groups, len(scene.groups))
    for group in groups:
        noun = noun_of(group, sized=random.random() < 0.4)
        yield random.choices((noun, replace(noun, colour=None), replace(noun, shape=None)), (6, 3, 1))[0]
    first = noun_of(groups[0], sized=False)
    yield absent(scene, recoloured(scene, first, random))
    yield absent(scene, reshaped(scene, first, random))


def phrase_text(noun: Noun, random: Random) -> str:
    """With an article, a number or neither; half the plurals are put in the singular."""
    if random.random() < 0.5:
        noun = replace(noun, count=1)
    return random.choice((indefinite, definite, bare))(noun)


def build_batch(pool: Sequence[Scene], plan: Plan, tokenizer: Tokenizer, *, end: int, seed: int) -> Batch:
    """The batch of a seed."""
    random = Random(seed)  # noqa: S311
    indices = np.array([plan.scenes[random.randrange(len(plan.scenes))] for _ in range(plan.batch_size)])
    scenes = [pool[i] for i in indices]
    nouns = [(i, noun) for i, scene in enumerate(scenes) for noun in phrase_nouns(scene, random)]
    things = [(i, group, thing) for i, s in enumerate(scenes) for group in s.groups for thing in group.things]
    captions: list[str] = []
    places: list[str] = []
    descriptions: list[str] = []
    for scene in scenes[: plan.num_captions]:
        caption = short_caption(scene, random)
        negatives = hard_negatives(scene, caption, random)
        captions += [caption.text, *(negatives[kind].text for kind in NEGATIVE_KINDS)]
    for scene in scenes[: plan.num_descriptions]:
        description = long_description(scene, random)
        false = (false_detail(scene, description, random) for _ in range(NUM_FALSE_DESCRIPTIONS))
        descriptions += [description.text, *(text.text for text in false)]
    for scene in scenes[: plan.num_places]:
        caption = place_caption(scene, random)
        negatives = hard_negatives(scene, caption, random)
        places += [caption.text, *(negatives[kind].text for kind in NEGATIVE_KINDS)]
    return Batch(
        scenes=indices,
        captions=encode(tokenizer, captions, end) if captions else None,
        places=encode(tokenizer, places, end) if places else None,
        descriptions=encode(tokenizer, descriptions, end) if descriptions else None,
        phrases=encode(tokenizer, [phrase_text(noun, random) for _, noun in nouns], end),
        phrase_scenes=np.array([i for i, _ in nouns]),
        phrase_attributes=np.array([numbered(noun) for _, noun in nouns]),
        thing_boxes=(np.array([thing.box for _, _, thing in things]) / CANVAS_PIXELS).astype(np.float32),
        thing_scenes=np.array([i for i, _, _ in things]),
        thing_attributes=np.array([numbered(noun_of(group, sized=True)) for _, group, _ in things]),
    )
