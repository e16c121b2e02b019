"""What a kind of answer is: how two texts are compared, and which options say how."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from visreward_service.scorers.answers.verdict import Verdict


def never_settles(given: str, gold: str, options: Any) -> Verdict | None:  # noqa: ARG001 - a kind's signature
    """Return None: every pair goes to a worker."""
    return None


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to compare a given answer with a gold one. Its functions are pure."""

    summary: str
    options: type[Any]
    """A frozen dataclass of keyword options, every one with a default."""
    judge: Callable[[str, str, Any], Verdict]
    """Compare given and gold. Raises UnreadableGold; may take long, so it is called in a worker."""
    settle: Callable[[str, str, Any], Verdict | None] = never_settles
    """The same verdict at once, without a worker, where that is certain and quick; else None."""
    context: tuple[str, ...] = ()
    """Options that come from the item, from `reference.extra`, and not from the recipe."""
    needs: tuple[str, ...] = ()
    """The options among them without which there is no verdict."""
    reads_gold: bool = True
    """Whether the gold answer is compared at all."""
    outputs: tuple[str, ...] = ()
    """Names of the numbers that verdicts carry beside the score."""

    @property
    def option_names(self) -> frozenset[str]:
        """Names of the options that a recipe may set."""
        return frozenset(option.name for option in fields(self.options)) - set(self.context)
