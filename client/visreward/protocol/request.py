"""A request to score, and the recipe that may be written inside it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from visreward.protocol.fields import Json, Name, Text, WireModel
from visreward.protocol.item import Image, Item


class ExtractSpec(WireModel):
    """How to cut a named piece out of a text: exactly one method, then `replace`, then `strip`.

    In a heading, white space stands for any white space or none.
    """

    between: Annotated[list[Text], Field(min_length=2, max_length=2)] | None = None
    """Two headings; the piece runs from the first one to the nearest second one behind it."""
    after: Text | None = None
    """A heading; the piece runs from it to the end of the text."""
    tag: Name | None = None
    """`answer` for what stands between `<answer>` and the nearest `</answer>`."""
    boxed: Literal["last", "first"] | None = None
    """The content of that LaTeX `\\boxed{}`, braces balanced."""
    regex: Text | None = None
    """A pattern of Python's `re`; the piece is group 1, or the whole match where there is no group."""
    whole: Literal[True] | None = None

    source: Name = Field(default="completion", alias="from")
    """The text to cut from: `completion`, `prompt` or another piece."""
    which: Literal["first", "last"] = "first"
    """For all methods but `boxed` and `whole`: the piece to take where several are found."""
    line: bool = False
    """For `after`: stop at the end of the first line that has text."""
    ignore_case: bool = True
    """For headings, tags and `regex`."""
    dot_all: bool = True
    """For `regex`: a dot matches a newline too."""
    replace: Annotated[list[Text], Field(min_length=2, max_length=2)] | None = None
    """A pattern and a replacement of Python's `re.sub`, without flags."""
    strip: bool = True
    """Take white space off both ends."""
    absent: Text | None = None
    """The piece's text where nothing is found; None leaves the piece absent."""
    absent_from: Name | None = None
    """The piece to take where nothing is found."""

    @model_validator(mode="after")
    def _has_one_method(self) -> "ExtractSpec":
        methods = [name for name in METHODS if getattr(self, name) is not None]
        if len(methods) != 1:
            raise ValueError(f"needs exactly one of {', '.join(METHODS)}; has {', '.join(methods) or 'none'}")
        if self.absent is not None and self.absent_from is not None:
            raise ValueError("takes absent or absent_from, not both")
        return self


METHODS = ("between", "after", "tag", "boxed", "regex", "whole")


class RewardSpec(WireModel):
    """The expression that combines the terms."""

    expression: Text


class RecipeSpec(WireModel):
    """A recipe as written: named pieces, named terms, one expression, steps of the group."""

    extract: dict[Name, ExtractSpec] = {}
    terms: dict[Name, dict[str, Json]]
    """By name: `scorer`, its parameters, and an optional `value` expression."""
    reward: RewardSpec | Text
    group: dict[Name, dict[str, Json]] = {}
    """Steps over the items of a group, by name, with their parameters."""


class ScoreRequest(WireModel):
    """The body of `POST /score`: a recipe's name, or `terms` and `reward` written inline."""

    recipe: Name | None = None
    extract: dict[Name, ExtractSpec] | None = None
    terms: dict[Name, dict[str, Json]] | None = None
    reward: RewardSpec | Text | None = None
    group: dict[Name, dict[str, Json]] | None = None
    images: list[Image] = []
    items: Annotated[list[Item], Field(min_length=1)]
    deadline_ms: Annotated[int, Field(ge=1)] | None = None
    details: bool = True
    """False leaves the items' details out of the answer."""

    @model_validator(mode="after")
    def _has_one_recipe(self) -> "ScoreRequest":
        inline = self.terms is not None and self.reward is not None
        if (self.recipe is None) == (not inline):
            raise ValueError("give either recipe, or terms and reward")
        return self
