"""ms-swift: an outcome reward model for `orms`, sync and async.

ms-swift hands over a batch of rows with their columns, images as `{"bytes", "path"}`. It would spread a
list of one reward over every row, and counts None as 0 in a group's mean: None is never returned.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from visreward.adapters.messages import read_text
from visreward.adapters.rows import check_columns, read_row, split_columns
from visreward.adapters.session import Session, open_session, reward_of
from visreward.adapters.settings import read_settings

PATIENCE_SECONDS = 1500.0


class SwiftReward:
    """A reward in the shape of `ORM`; parameters as in `TrlReward`; ms-swift's `args` is not read."""

    def __init__(
        self,
        args: Any = None,
        *,
        recipe: str | None = None,
        columns: Mapping[str, str | None] | None = None,
        num_generations: int | None = None,
        **settings: Any,
    ) -> None:
        del args
        self._settings = read_settings({"recipe": recipe, **settings}, patience_seconds=PATIENCE_SECONDS)
        self._columns = check_columns(columns)
        self._num_generations = num_generations

    def __call__(self, completions: Sequence[str], **columns: Any) -> list[float]:
        """Return a finite reward per completion; raise RewardError where there is none."""
        session = open_session(self._settings)
        rows = split_columns(columns, len(completions))
        items = [self._item(row, text, session) for row, text in zip(rows, completions)]
        size = self._num_generations
        result = session.score(items, whole_groups=size is not None, group_size=size)
        return [reward_of(result, place) for place in range(len(items))]

    def _item(self, row: Mapping[str, Any], completion: str, session: Session) -> dict[str, Any]:
        item = read_row(row, self._columns, session.pictures)
        if row.get("messages") is not None:
            item.setdefault("prompt", read_text(row["messages"], "user") or "")
        if row.get("prompt_id") is not None:
            item.setdefault("group", str(row["prompt_id"]))
        token_ids = row.get("response_token_ids")
        if token_ids:
            turns = token_ids if isinstance(token_ids[0], list | tuple) else [token_ids]
            item["completion_tokens"] = sum(len(turn) for turn in turns)
        return {**item, "completion": completion}


class AsyncSwiftReward(SwiftReward):
    """The same in the shape of `AsyncORM`."""

    async def __call__(  # type: ignore[override]
        self, completions: Sequence[str], **columns: Any
    ) -> list[float]:
        """As `SwiftReward`, in a thread: ms-swift makes a new event loop for every step."""
        return await asyncio.to_thread(super().__call__, completions, **columns)


def register(name: str = "visreward", *, is_async: bool = True, **settings: Any) -> None:
    """Add a reward to ms-swift's `orms`, in a file for `--external_plugins`; then `--reward_funcs NAME`."""
    from swift.rewards import orms  # type: ignore[import-not-found]

    kind: Callable[..., Any] = AsyncSwiftReward if is_async else SwiftReward
    kind(**settings)  # a wrong setting shows here, not at the first step
    orms[name] = partial(kind, **settings)
