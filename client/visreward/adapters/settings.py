"""What an adapter asks of the service, and what becomes of an item that has no reward.

Owns reading them from a trainer's configuration and from the environment. Knows no trainer.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from visreward.result import OnItemError, check_policy

RECIPE_VARIABLE = "VISREWARD_RECIPE"
POLICY_VARIABLE = "VISREWARD_ON_ITEM_ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardSettings:
    """Settings of one reward; equal ones share a client within a process. They survive pickling."""

    recipe: str
    url: str | None = None
    """Where the service is; None leaves it to the environment's `VISREWARD_URL`."""
    on_item_error: OnItemError = "raise"
    """What an item without a reward becomes; a request without an answer raises in any case."""
    patience_seconds: float = 240.0
    """How long a request is tried before it raises: shorter than the trainer's own limit."""
    timeout_seconds: float = 120.0
    """How long one attempt may stay without an answer."""
    gather_ms: float = 5.0
    """How long the first of several single calls waits for others to share its request."""

    def __post_init__(self) -> None:
        check_policy(self.on_item_error)
        if isinstance(self.on_item_error, float) and not math.isfinite(self.on_item_error):
            raise ValueError("on_item_error must be finite: trainers pass NaN on without a word")
        for name in ("patience_seconds", "timeout_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        if not 0 <= self.gather_ms <= 1000:
            raise ValueError(f"gather_ms is between 0 and 1000, not {self.gather_ms}")


NAMES = tuple(field.name for field in fields(RewardSettings))


def read_settings(given: Mapping[str, Any], *, patience_seconds: float, mask: bool = False) -> RewardSettings:
    """Return the settings that a trainer's configuration gives, the rest from the environment and defaults.

    Parameters
    ----------
    given:
        Keyword arguments named like the fields of `RewardSettings`; None counts as not given.
    patience_seconds:
        The adapter's default: a little less than its trainer waits.
    mask:
        Whether the trainer has a meaning for None, so that `on_item_error` may be `"mask"`.

    Raises
    ------
    ValueError
        For an unknown name, for no recipe, for `"mask"` where the trainer would read None as a number.
    """
    unknown = sorted(set(given) - set(NAMES))
    if unknown:
        raise ValueError(f"unknown setting {unknown[0]!r}; there are {', '.join(NAMES)}")
    values = {name: value for name, value in given.items() if value is not None}
    values.setdefault("recipe", os.environ.get(RECIPE_VARIABLE))
    if not values["recipe"] or not isinstance(values["recipe"], str):
        raise ValueError(f"name a recipe: recipe=..., or {RECIPE_VARIABLE} in the environment")
    policy = values.get("on_item_error", os.environ.get(POLICY_VARIABLE, "raise"))
    values["on_item_error"] = _read_policy(policy)
    if values["on_item_error"] == "mask" and not mask:
        raise ValueError(
            "on_item_error is 'raise' or a number: this trainer has no value for a missing reward"
        )
    values.setdefault("patience_seconds", patience_seconds)
    return RewardSettings(**values)


def _read_policy(policy: Any) -> OnItemError:
    """Return a policy as written in a configuration file, where a number may stand as text."""
    if isinstance(policy, str) and policy not in ("raise", "mask"):
        try:
            return float(policy)
        except ValueError:
            pass
    return check_policy(policy)
