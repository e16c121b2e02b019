"""What a scorer is: the work it asks for and the score it makes of the results, not how work is done.

A scorer is built once per recipe term with checked parameters. For each item the engine calls `prepare`,
does the distinct work of the whole request, and calls `finish` with the results. Both are pure: no I/O, no
clock, no state that an item could change. A scorer that cannot judge an item raises `Fault`; it never
returns a number for a failure.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from visreward.protocol import Code, Item

Vector = npt.NDArray[np.float32]

View = Literal["pooled", "dense"]
Branch = Literal["short", "long", "box"]


class Fault(Exception):
    """An item cannot be scored, for a reason with a code."""

    def __init__(self, code: Code, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild_fault, (self.code, self.message, self.field))


def _rebuild_fault(code: Code, message: str, field: str | None) -> Fault:
    return Fault(code, message, field=field)


@dataclass(frozen=True, slots=True)
class ImageEncoding:
    """Encode one image with one model."""

    model: str
    digest: str
    view: View = "pooled"


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """Encode one text with one model."""

    model: str
    text: str
    branch: Branch = "short"


@dataclass(frozen=True, slots=True)
class RuleCall:
    """Run a function of `scorers.RULES` in a process that is killed at the time limit.

    The function must be importable without torch, take the arguments as they are and return plain data.
    """

    rule: str
    arguments: tuple[Hashable, ...]


Work = ImageEncoding | TextEncoding | RuleCall


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """What a model makes of an image."""

    vectors: Vector
    """(D,), L2-normalised, for the pooled view; (rows, columns, D) for the dense view, whose grid may follow
    the image and whose patches keep their lengths, since regions are pooled before they are normalised."""


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """A text's L2-normalised features, (D,)."""

    vector: Vector
    num_tokens: int
    """Tokens the text has, special tokens included, before any truncation."""
    truncated: bool


@dataclass(slots=True)
class Subject:
    """An item as a term sees it: its fields and the pieces that the recipe's extractors found.

    Nothing changes it. It is not frozen, as what is takes three times as long to make; nor is a `Score`.
    """

    item: Item
    pieces: Mapping[str, str | None]

    def text(self, piece: str) -> str | None:
        """Return the named piece; None where the extractor found nothing."""
        return self.pieces[piece]


@dataclass(slots=True)
class Score:
    """What a scorer found: numbers by name, the term's own value first, and details for people."""

    values: Mapping[str, float]
    details: Mapping[str, Any] = field(default_factory=dict)
    applicable: bool = True
    """False where the term has no value for this item; `values` is then empty."""

    @classmethod
    def not_applicable(cls, reason: str, **details: Any) -> "Score":
        """Return the score of a term that says nothing of this item."""
        return cls(values={}, details={"status": reason, **details}, applicable=False)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a scorer may know of a model when a recipe is read."""

    views: frozenset[str]
    branches: frozenset[str]
    logit_scale: float | None = None
    """exp(logit_scale) of the checkpoint, for scorers that give probabilities."""
    logit_bias: float | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """What terms may name: models with their facts, tokenizers, pieces of the recipe."""

    models: Mapping[str, ModelFacts] = field(default_factory=dict)
    tokenizers: Mapping[str, Callable[[str], int]] = field(default_factory=dict)
    """Functions from a text to its number of tokens."""
    pieces: frozenset[str] = frozenset({"completion", "prompt"})


class Params(BaseModel):
    """Parameters of a term, as they stand in its recipe."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


P = TypeVar("P", bound=Params)


class Scorer(ABC, Generic[P]):
    """Computes one kind of number from items."""

    Params: ClassVar[type[Params]]
    summary: ClassVar[str]

    def __init__(self, params: P, catalog: Catalog) -> None:
        """Raise ValueError where a parameter names something the catalog lacks."""
        self.params = params
        self.catalog = catalog

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """Names of the numbers in `Score.values`; the first is the term's value by default."""

    @property
    def needs(self) -> frozenset[str]:
        """Item fields without which `prepare` faults, such as `images` or `reference.answer`."""
        return frozenset()

    @property
    def reads(self) -> frozenset[str]:
        """Item fields that make a difference, but without which an item is scored all the same."""
        return frozenset()

    @property
    def quick(self) -> bool:
        """Whether an item costs microseconds, whatever its texts hold, so that no thread is needed for it."""
        return False

    @property
    def pieces(self) -> frozenset[str]:
        """Pieces the scorer reads: the one that the parameter `text` names, where there is one."""
        return self._named_by("text")

    @property
    def models(self) -> frozenset[str]:
        """Models the scorer asks for encodings: the one that the parameter `model` names, if any."""
        return self._named_by("model")

    def warm(self) -> None:
        """Load what the first item would have to wait for. The service calls it before it is ready."""

    def _named_by(self, parameter: str) -> frozenset[str]:
        name: str | None = getattr(self.params, parameter, None)
        return frozenset() if name is None else frozenset({name})

    def prepare(self, subject: Subject) -> Sequence[Work]:  # noqa: ARG002 - most rules need no work
        """Return the work whose results `finish` reads. Raise `Fault` where the item cannot be scored."""
        return ()

    @abstractmethod
    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:
        """Return the score; `results` holds features, or what a rule returned, by work."""
