"""What the service answers."""

from typing import Annotated

from pydantic import Field

from visreward.protocol.codes import Code
from visreward.protocol.fields import AnswerModel, Digest, Json, WireModel


class ErrorBody(AnswerModel):
    """Why something was refused: the same shape for a request and for an item."""

    code: Annotated[Annotated[Code, Field(strict=False)] | str, Field(union_mode="left_to_right")]
    """A `Code`; text where a newer service has codes that this client does not know."""
    message: str
    """One sentence for a person; it never quotes a decoder's or a library's own words."""
    field: str | None = None
    """Path of the field at fault, such as `items[3].completion_tokens`."""
    retryable: bool = False
    request_id: str | None = None
    nearest: list[str] = []
    """Known names near an unknown one."""


class ItemResult(AnswerModel):
    """One item's answer: a reward with its parts, or an error, never both."""

    id: str | None
    """The item's id; None where the item had no readable one."""
    reward: float | None
    parts: dict[str, float | None] = {}
    """Value of each term; None where the term did not apply."""
    details: dict[str, Json] = {}
    """By term: what was found, compared and decided."""
    error: ErrorBody | None = None


class GroupSummary(AnswerModel):
    """Statistics over the scored items of one group."""

    group: str
    num_items: int
    num_scored: int
    mean: float | None
    std: float | None
    """Population standard deviation; exactly 0.0 for equal rewards, None beyond a double."""
    tied: bool
    """True where at least two items were scored and all their rewards are the same number."""
    pass_rate: float | None = None
    """Share of the scored items that pass. This and what follows is there where the recipe has the step."""
    difficulty: str | None = None
    """`easy`, `medium` or `hard`; None where an item failed, or where there are too few."""
    keep: bool | None = None
    """Whether the group's mean lies between the bounds of the recipe's filter."""
    gate: bool | None = None
    """False where the gate is shut: nothing was seen right."""
    scale: float | None = None
    """What the gate multiplies the group's advantages by, or its rewards if the recipe says so."""
    weight: float | None = None
    """What the rewards were multiplied by; None where the group's items differ."""
    tamed: list[str] = []
    """Components that entered the rewards as log(1 + R)."""


class Work(AnswerModel):
    """How much was asked and how much was done, in units of work."""

    images_asked: int = 0
    images_encoded: int = 0
    texts_asked: int = 0
    texts_encoded: int = 0
    rules_asked: int = 0
    rules_run: int = 0


class CacheUse(AnswerModel):
    """Encodings found in the cache instead of being computed."""

    hits: int = 0
    misses: int = 0


class ScoreResponse(AnswerModel):
    """The answer to a `ScoreRequest`: `items` in the request's order."""

    request_id: str
    recipe: str
    items: list[ItemResult]
    groups: list[GroupSummary] = []
    timings_ms: dict[str, float] = {}
    """Milliseconds by stage: `parse`, `plan`, `do`, `combine`, `total`."""
    work: Work = Work()
    cache: CacheUse = CacheUse()
    models: dict[str, str] = {}
    """Revision of each model that the recipe used, by its name in the settings."""
    missing_images: list[str] = []
    """Digests of the images that the recipe needed and that were neither sent nor held."""


class MissingImages(WireModel):
    """The body of `POST /images/missing`, and its answer: of the digests asked about, those to be sent."""

    digests: list[Digest]


class ErrorResponse(AnswerModel):
    """The body of every answer that is not a success."""

    error: ErrorBody
