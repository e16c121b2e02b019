"""Rendered scenes: pictures whose every caption, phrase, box and answer is known to be true or false.

They train and test the bundled model and make the examples of the documentation. Everything follows from a
seed. The package knows no model; it needs Pillow and numpy alone.
"""

from visreward_service.scenes.claims import Claim, Existence, Noun, Relation
from visreward_service.scenes.grammar import (
    Question,
    RegionPhrase,
    long_description,
    questions,
    region_phrases,
    short_caption,
)
from visreward_service.scenes.negatives import NEGATIVE_KINDS, false_detail, false_phrases, hard_negatives
from visreward_service.scenes.rendering import render_image, render_scene
from visreward_service.scenes.samples import Sample, build_sample, write_samples
from visreward_service.scenes.spec import Background, Group, Scene, Thing, sample_scene

__all__ = [
    "NEGATIVE_KINDS",
    "Background",
    "Claim",
    "Existence",
    "Group",
    "Noun",
    "Question",
    "RegionPhrase",
    "Relation",
    "Sample",
    "Scene",
    "Thing",
    "build_sample",
    "false_detail",
    "false_phrases",
    "hard_negatives",
    "long_description",
    "questions",
    "region_phrases",
    "render_image",
    "render_scene",
    "sample_scene",
    "short_caption",
    "write_samples",
]
