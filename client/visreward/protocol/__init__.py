"""The wire, once: what a request and an answer are, whichever protocol carries them."""

from visreward.protocol.codes import MEANINGS, Code, Meaning
from visreward.protocol.item import Box, Image, Item, LabelledBox, Phrase, Reference
from visreward.protocol.limits import Limits
from visreward.protocol.request import ExtractSpec, RecipeSpec, RewardSpec, ScoreRequest
from visreward.protocol.response import (
    CacheUse,
    ErrorBody,
    ErrorResponse,
    GroupSummary,
    ItemResult,
    MissingImages,
    ScoreResponse,
    Work,
)

__all__ = [
    "MEANINGS",
    "Box",
    "CacheUse",
    "Code",
    "ErrorBody",
    "ErrorResponse",
    "ExtractSpec",
    "GroupSummary",
    "Image",
    "Item",
    "ItemResult",
    "LabelledBox",
    "Limits",
    "Meaning",
    "MissingImages",
    "Phrase",
    "RecipeSpec",
    "Reference",
    "RewardSpec",
    "ScoreRequest",
    "ScoreResponse",
    "Work",
]
