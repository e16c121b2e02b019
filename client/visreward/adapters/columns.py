"""The numbers that go into a trainer's metrics beside a reward: the same keys for every sample, all finite.

Trainers take the keys of a batch from its first sample, and their means turn into NaN, or raise, where a
value is None. So a part stands beside a flag that says whether it applied.
"""

from collections.abc import Sequence

from visreward.protocol import ItemResult

FAILED = "failed"
APPLIES = "_applies"
RESERVED = frozenset({"score", "scores", "reward", "rewards", "overall", FAILED})
"""Keys that trainers or this module give a meaning of their own."""


def column_of(part: str) -> str:
    """Return the key under which a part is reported."""
    return f"part_{part}" if part in RESERVED else part


def to_columns(item: ItemResult, parts: Sequence[str]) -> dict[str, float]:
    """Return the item's numbers: `failed`, and for each part its value and `<part>_applies`, 1.0 or 0.0.

    A part that does not apply, or whose item failed, is 0.0 with the flag 0.0: the mean over the samples
    where it applies is the mean of the part divided by the mean of its flag.
    """
    columns = {FAILED: float(item.reward is None)}
    for part in parts:
        value = item.parts.get(part)
        columns[column_of(part)] = 0.0 if value is None else float(value)
        columns[column_of(part) + APPLIES] = float(value is not None)
    return columns
