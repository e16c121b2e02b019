"""The length scorer: what the length of a completion in tokens is worth."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from visreward.protocol import Code
from visreward_service.scorers.base import Catalog, Fault, Params, Score, Scorer, Subject, Work

Tokens = Annotated[int, Field(ge=1, le=10_000_000)]
Ends = Annotated[list[float], Field(min_length=2, max_length=2)]
"""Value at no tokens, and at `max_tokens`."""

SHAPES: dict[str, tuple[str, ...]] = {
    "ratio": ("expected_tokens",),
    "overlong": ("max_tokens", "buffer_tokens"),
    "cosine": ("max_tokens", "correct", "wrong"),
    "linear": ("start_tokens", "end_tokens"),
}
"""Parameters that each shape must have."""
OPTIONAL: dict[str, tuple[str, ...]] = {"cosine": ("exceeded",), "linear": ("at_start", "at_end")}
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
        if self.end_tokens is not None and self.end_tokens <= (self.start_tokens or 0):
            raise ValueError("end_tokens is not more than start_tokens")
        return self


class Length(Scorer[LengthParams]):
    """The worth of a length L in tokens.

    - `ratio`: 1 up to `expected_tokens` E, then max(0, min(E / (L + 1e-5), 1)): PeBR-R1 (arXiv 2509.13031,
      `examples/reward_function/pebr_1.py`).
    - `overlong`: 0 up to `max_tokens` - `buffer_tokens`, then falling to -1 at `max_tokens`, and -1 beyond:
      DAPO's soft overlong punishment (arXiv 2503.14476, equation 13).
    - `cosine`: half a cosine from a value at 0 tokens to one at `max_tokens`, with a branch for correct and one
      for wrong answers: Yeo et al. (arXiv 2502.03373). The term's `value` must choose between the outputs
      `correct` and `wrong` by another term; VLM-R1's variant begins again beyond `max_tokens`, this one stays.
    - `linear`: from `at_start` up to `start_tokens` in a straight line to `at_end` from `end_tokens` on.

    Outputs: `length` (`correct` and `wrong` for `cosine`), and the number of `tokens`.
    """

    Params = LengthParams
    summary = "worth of the completion's length: ratio, overlong, cosine or linear"

    def __init__(self, params: LengthParams, catalog: Catalog) -> None:
        super().__init__(params, catalog)
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
    def pieces(self) -> frozenset[str]:
        return frozenset() if self.params.tokenizer is None else frozenset({self.params.text})

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        length = self._count(subject)
        return Score({**self._value(length), "tokens": float(length)}, {"tokens": length})

    def _count(self, subject: Subject) -> int:
        if self.params.tokenizer is not None:
            return self.catalog.tokenizers[self.params.tokenizer](subject.text(self.params.text) or "")
        if subject.item.completion_tokens is None:
            raise Fault(Code.MISSING_FIELD, "the item has no length in tokens", field="completion_tokens")
        return subject.item.completion_tokens

    def _value(self, length: int) -> dict[str, float]:
        match self.params:
            case LengthParams(shape="ratio", expected_tokens=int(expected)):
                return {"length": ratio(length, expected)}
            case LengthParams(shape="overlong", max_tokens=int(limit), buffer_tokens=int(buffer)):
                return {"length": overlong(length, limit, buffer)}
            case LengthParams(shape="cosine", max_tokens=int(limit), correct=list(correct), wrong=list(wrong)):
                if self.params.exceeded is not None and length >= limit:
                    return {"correct": self.params.exceeded, "wrong": self.params.exceeded}
                return {"correct": half_cosine(length, limit, *correct), "wrong": half_cosine(length, limit, *wrong)}
            case LengthParams(start_tokens=int(start), end_tokens=int(end), at_start=high, at_end=low):
                share = min(max((length - start) / (end - start), 0.0), 1.0)
                return {"length": high + (low - high) * share}
        raise AssertionError(self.params.shape)


def ratio(length: int, expected: int) -> float:
    """Return PeBR-R1's length reward, 0..1."""
    return 1.0 if length <= expected else max(0.0, min(expected / (length + 1e-5), 1.0))


def overlong(length: int, limit: int, buffer: int) -> float:
    """Return DAPO's soft overlong punishment, -1..0."""
    free = limit - buffer
    if length <= free:
        return 0.0
    return (free - length) / buffer if length <= limit else -1.0


def half_cosine(length: int, limit: int, start: float, end: float) -> float:
    """Return `start` at 0 tokens and `end` from `limit` tokens on, half a cosine between them."""
    share = min(length, limit) / limit
    return end + 0.5 * (start - end) * (1.0 + math.cos(share * math.pi))
