"""An item, its reference and its images, as they stand in a request."""

from typing import Annotated

from pydantic import Field

from visreward.protocol.fields import Digest, Finite, Name, Text, WireModel

Box = Annotated[list[Finite], Field(min_length=4, max_length=4)]
"""`[x1, y1, x2, y2]`, in the frame that the recipe names."""


class LabelledBox(WireModel):
    """One ground-truth object: a box and, where classes matter, its label."""

    box: Box
    label: Text | None = None


class Phrase(WireModel):
    """A phrase to look for in the image, where the caller brings phrases of its own."""

    text: Text
    box: Box | None = None
    negatives: list[Text] = []


class Reference(WireModel):
    """The ground truth of an item. Each recipe says which fields it needs."""

    answer: Text | None = None
    """The gold answer, as text."""
    answers: list[Text] | None = None
    """Several gold answers, any of which is right."""
    key_words: list[Text] | None = None
    captions: list[Text] | None = None
    """Reference captions, for RefCLIPScore."""
    phrases: list[Phrase] | None = None
    boxes: list[LabelledBox] | None = None
    extra: dict[Name, Text | Finite | int | bool | list[Text] | None] = {}
    """Parameters that only one recipe knows, by name."""


NO_REFERENCE = Reference()


class Item(WireModel):
    """One completion to score."""

    id: Name
    """Unique within the request; the answer carries it back."""
    group: Name | None = None
    """Shared by the completions of one prompt."""
    source: Name | None = None
    """The data set the item came from; metrics are kept per source."""
    images: list[Digest] = Field(default_factory=list, json_schema_extra={"default": []})
    """SHA-256 digests of encoded images, in the order of the prompt."""
    prompt: Text | None = None
    completion: Text
    completion_tokens: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    """Length of the completion in the policy's own tokens."""
    # A plain default would be copied, down to its last field, for every item without a reference.
    reference: Reference = Field(
        default_factory=lambda: NO_REFERENCE,
        json_schema_extra={"default": NO_REFERENCE.model_dump(mode="json")},
    )


class Image(WireModel):
    """An encoded image: raw bytes in msgpack, base64 in JSON."""

    digest: Digest
    """SHA-256 of `data`, in lower-case hex."""
    data: bytes
