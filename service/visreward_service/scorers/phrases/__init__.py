"""Which phrases of a text an image supports, and where: chunking, similarity maps, boxes and their scorer."""

from visreward_service.scorers.phrases.aggregates import Aggregates, aggregate
from visreward_service.scorers.phrases.heatmap import draw_heatmap
from visreward_service.scorers.phrases.nouns import Chunker, load_chunker, noun_phrases
from visreward_service.scorers.phrases.regions import Patches, Region, grow_box
from visreward_service.scorers.phrases.scorer import Phrases, PhrasesParams

__all__ = [
    "Aggregates",
    "Chunker",
    "Patches",
    "Phrases",
    "PhrasesParams",
    "Region",
    "aggregate",
    "draw_heatmap",
    "grow_box",
    "load_chunker",
    "noun_phrases",
]
