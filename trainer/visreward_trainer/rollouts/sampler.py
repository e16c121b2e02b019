"""What every source of completions takes and gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from visreward_trainer.config import RolloutConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One prompt, and how many completions of it are wanted."""

    row: int
    """Of the questions."""
    messages: list[dict[str, Any]]
    """Chat messages; an image is a part `{"type": "image", "image": <Pillow image>}`."""
    num: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One completion."""

    prompt_ids: list[int]
    """With the placeholders of images expanded."""
    ids: list[int]
    """Up to the end token, that one included."""
    text: str
    """Without special tokens."""
    logprobs: list[float] | None
    """Of each id under the distribution that it was drawn from; None where the trainer drew it itself."""
    policy_version: int
    """Optimizer steps behind the weights that drew it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How completions are drawn."""

    temperature: float
    top_p: float
    max_tokens: int
    banned_ids: tuple[int, ...] = ()
    """Never drawn: placeholders of images and videos."""

    @classmethod
    def of(cls, config: RolloutConfig, banned_ids: tuple[int, ...]) -> "Sampling":
        return cls(
            temperature=config.temperature,
            top_p=config.top_p,
            max_tokens=config.max_completion_tokens,
            banned_ids=banned_ids,
        )


OnGroup: TypeAlias = Callable[[Ask, list[Drawn]], None]


class Sampler(Protocol):
    def sample(self, asks: Sequence[Ask], on_group: OnGroup) -> list[list[Drawn]]:
        """Return the completions of each ask, in order.

        `on_group` hears of each as soon as it is there, in the order of the asks.
        """
        ...
