"""The length scorer: what the length of a completion in tokens is worth."""

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from visreward.protocol import Code
from visreward_service.scorers.base import Catalog, Fault, Params, Score, Scorer, Subject, Work

MAX_TOKENS = 10_000_000
"""Beyond this a length is a mistake."""

Tokens = Annotated[int, Field(ge=1, le=MAX_TOKENS)]
Ends = Annotated[list[float], Field(min_length=2, max_length=2)]
"""Value at no tokens, and at `max_tokens`."""

SHAPES: dict[str, tuple[str, ...]] = {
    "ratio": ("expected_tokens",),
    "overlong": ("max_tokens", "buffer_tokens"),
    "cosine": ("max_tokens", "correct", "wrong"),
    "linear": ("start_tokens", "end_tokens"),
}
"""Parameters that each shape must have."""
OPTIONAL: dict[str, tuple[str, ...]] = {"cosine": ("exceeded", "periodic"), "linear": ("at_start", "at_end")}
SHARED = frozenset({"shape", "tokenizer", "text"})


class LengthParams(Params):
    shape: Literal["ratio", "overlong", "cosine", "linear"]
    tokenizer: str | None = None
    """Name of a tokenizer in the settings; None takes the item's `completion_tokens`."""
    text: str = "completion"
    """For `tokenizer`: the piece to count."""

    expected_tokens: Tokens | None = None
    max_tokens: Tokens | None = None
    buffer_tokens: Tokens | None = None
    correct: Ends | None = None
    wrong: Ends | None = None
    exceeded: float | None = None
    """For `cosine`: the value of both branches from `max_tokens` on; None for their end values."""
    periodic: bool = False
    """For `cosine`: go on beyond `max_tokens` and come back to the value at 0, as VLM-R1's formula does."""
    start_tokens: Annotated[int, Field(ge=0)] | None = None
    end_tokens: Tokens | None = None
    at_start: float = 1.0
    at_end: float = 0.0

    @model_validator(mode="after")
    def _belong_to_the_shape(self) -> "LengthParams":
        needed = SHAPES[self.shape]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f'shape "{self.shape}" needs {", ".join(missing)}')
        foreign = self.model_fields_set - SHARED - set(needed) - set(OPTIONAL.get(self.shape, ()))
        if foreign:
            raise ValueError(f'shape "{self.shape}" does not take {", ".join(sorted(foreign))}')
        if self.buffer_tokens is not None and self.buffer_tokens > (self.max_tokens or 0):
            raise ValueError("buffer_tokens is more than max_tokens")
        if self.periodic and self.exceeded is not None:
            raise ValueError("takes periodic or exceeded, not both")
        if self.end_tokens is not None and self.end_tokens <= (self.start_tokens or 0):
            raise ValueError("end_tokens is not more than start_tokens")
        return self


class Length(Scorer[LengthParams]):
    """The worth of a length L in tokens.

    - `ratio`: 1 up to `expected_tokens` E, then max(0, min(E / (L + 1e-5), 1)): PeBR-R1 (arXiv 2509.13031,
      `examples/reward_function/pebr_1.py`).
    - `overlong`: 0 up to `max_tokens` - `buffer_tokens`, falling to -1 at `max_tokens`, and -1 beyond: DAPO's
      soft overlong punishment (arXiv 2503.14476, equation 13).
    - `cosine`: half a cosine from a value at 0 tokens to one at `max_tokens`, with a branch for correct and
      one for wrong answers: Yeo et al. (arXiv 2502.03373). The term's `value` must choose between the
      outputs `correct` and `wrong` by another term. It stays at its end, unless `periodic`, as VLM-R1 is
      (om-ai-lab/VLM-R1@90052f4).
    - `linear`: from `at_start` up to `start_tokens` in a straight line to `at_end` from `end_tokens` on.

    Outputs: `length` (`correct` and `wrong` for `cosine`), and the number of `tokens`.
    """

    Params = LengthParams
    summary = "worth of the completion's length: ratio, overlong, cosine or linear"

    def __init__(self, params: LengthParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
        self.worth = build_worth(params)
        if params.tokenizer is not None and params.tokenizer not in catalog.tokenizers:
            known = ", ".join(sorted(catalog.tokenizers)) or "none"
            raise ValueError(f'unknown tokenizer "{params.tokenizer}"; the settings name {known}')

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("correct", "wrong", "tokens") if self.params.shape == "cosine" else ("length", "tokens")

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"completion_tokens"} if self.params.tokenizer is None else ())

    @property
    def quick(self) -> bool:
        return self.params.tokenizer is None

    @property
    def pieces(self) -> frozenset[str]:
        return frozenset() if self.params.tokenizer is None else frozenset({self.params.text})

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        length = self._count(subject)
        return Score({**self.worth(length), "tokens": float(length)}, {"tokens": length})

    def _count(self, subject: Subject) -> int:
        if self.params.tokenizer is not None:
            return self.catalog.tokenizers[self.params.tokenizer](subject.text(self.params.text) or "")
        length = subject.item.completion_tokens
        if length is None:
            raise Fault(Code.MISSING_FIELD, "the item has no length in tokens", field="completion_tokens")
        return length


def ratio(length: int, expected: int) -> float:
    """Return PeBR-R1's length reward, 0..1."""
    return 1.0 if length <= expected else max(0.0, min(expected / (length + 1e-5), 1.0))


def overlong(length: int, limit: int, buffer: int) -> float:
    """Return DAPO's soft overlong punishment, -1..0."""
    free = limit - buffer
    if length <= free:
        return 0.0
    return (free - length) / buffer if length <= limit else -1.0


def linear(length: int, start: int, end: int, at_start: float, at_end: float) -> float:
    """Return `at_start` up to `start` tokens, `at_end` from `end` tokens on, a straight line between them."""
    share = min(max((length - start) / (end - start), 0.0), 1.0)
    return at_start + (at_end - at_start) * share


def cosine_or(exceeded: float | None, length: int, limit: int, start: float, end: float) -> float:
    """Return `start` at 0 tokens and `end` from `limit` tokens on, half a cosine between them.

    With `exceeded`, that is the value from `limit` tokens on.
    """
    if exceeded is not None and length >= limit:
        return exceeded
    share = min(length, limit) / limit
    return end + 0.5 * (start - end) * (1.0 + math.cos(share * math.pi))


def cosine_on(length: int, limit: int, start: float, end: float) -> float:
    """Return VLM-R1's cosine, which is back at `start` at twice the limit."""
    return start - (start - end) * (1 - math.cos(length * math.pi / limit)) / 2


def build_worth(params: LengthParams) -> Callable[[int], dict[str, float]]:
    """Return the function from a length to the outputs of the shape."""
    match params:
        case LengthParams(shape="ratio", expected_tokens=int(expected)):
            return lambda length: {"length": ratio(length, expected)}
        case LengthParams(shape="overlong", max_tokens=int(limit), buffer_tokens=int(buffer)):
            return lambda length: {"length": overlong(length, limit, buffer)}
        case LengthParams(shape="linear", start_tokens=int(start), end_tokens=int(end)):
            return lambda length: {"length": linear(length, start, end, params.at_start, params.at_end)}
        case LengthParams(shape="cosine", max_tokens=int(limit), correct=list(right), wrong=list(wrong)):
            exceeded = params.exceeded
            if params.periodic:
                return lambda length: {
                    "correct": cosine_on(length, limit, *right),
                    "wrong": cosine_on(length, limit, *wrong),
                }
            return lambda length: {
                "correct": cosine_or(exceeded, length, limit, *right),
                "wrong": cosine_or(exceeded, length, limit, *wrong),
            }
    raise AssertionError("LengthParams lets no shape through without its parameters")
