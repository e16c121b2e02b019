"""TRL (GRPO, RLOO): a reward function for `reward_funcs`, sync and async.

TRL calls it once per rank and generation with the rank's rows; siblings carry separate Pillow objects, and
a group may be split across ranks. None is TRL's value for a row that leaves its group's baseline, safe with
one function.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from visreward.adapters.messages import read_images, read_text
from visreward.adapters.rows import check_columns, read_row, split_columns
from visreward.adapters.session import Session, open_session
from visreward.adapters.settings import read_settings
from visreward.result import ScoreResult

PATIENCE_SECONDS = 1500.0
"""Other ranks wait for this one until `ddp_timeout`, 1,800 seconds."""
OWN_KEYS = frozenset({"prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric"})
NOT_COLUMNS = frozenset({"environments"})


class TrlReward:
    """A reward function: `GRPOTrainer(reward_funcs=TrlReward(recipe="pebr-r1/stage1"), ...)`.

    Parameters
    ----------
    recipe, url, on_item_error, patience_seconds, timeout_seconds:
        As in `RewardSettings`; `on_item_error="mask"` returns None for an item that has no reward.
    columns:
        Column of the data set by field of the item, where they differ: `{"answer": "solution"}`.
    num_generations:
        Size of a group. A recipe that looks at whole groups needs it: a group may be split across ranks.
    """

    def __init__(
        self,
        recipe: str | None = None,
        *,
        columns: Mapping[str, str | None] | None = None,
        num_generations: int | None = None,
        **settings: Any,
    ) -> None:
        self._settings = read_settings(
            {"recipe": recipe, **settings}, patience_seconds=PATIENCE_SECONDS, mask=True
        )
        self._columns = check_columns(columns)
        self._num_generations = num_generations
        self.__name__ = self._settings.recipe  # what TRL calls the reward in its metrics

    def __call__(self, *, completions: Sequence[Any], **columns: Any) -> list[float | None]:
        """Return a reward per completion, None for a failed one under `"mask"`, and log the parts."""
        session = open_session(self._settings)
        items = self._items(completions, columns, session)
        size = self._num_generations
        result = session.score(items, whole_groups=size is not None, group_size=size)
        return self._report(result, session, columns)

    def _items(
        self, completions: Sequence[Any], columns: Mapping[str, Any], session: Session
    ) -> list[dict[str, Any]]:
        given = {name: values for name, values in columns.items() if name not in OWN_KEYS | NOT_COLUMNS}
        rows = split_columns(given, len(completions), given)
        prompts = columns.get("prompts") or [None] * len(completions)
        token_ids = columns.get("completion_ids") or [None] * len(completions)
        for name, values in (("prompts", prompts), ("completion_ids", token_ids)):
            if len(values) != len(completions):
                raise ValueError(f"{name} has {len(values)} values for {len(completions)} completions")
        return [
            self._item(row, completion, prompt, ids, session)
            for row, completion, prompt, ids in zip(rows, completions, prompts, token_ids)
        ]

    def _item(
        self, row: Mapping[str, Any], completion: Any, prompt: Any, token_ids: Any, session: Session
    ) -> dict[str, Any]:
        item = read_row(row, self._columns, session.pictures)
        if prompt is not None:
            item.setdefault("prompt", read_text(prompt, "user") or "")
            if not item.get("images"):
                item["images"] = session.pictures.read(read_images(prompt))
        item["completion"] = read_text(completion, "assistant") or ""
        if token_ids is not None:
            item["completion_tokens"] = len(token_ids)
        item.setdefault("group", _group_of(item))
        return item

    def _report(
        self, result: ScoreResult, session: Session, columns: Mapping[str, Any]
    ) -> list[float | None]:
        """Log the parts to TRL's metrics and to its table of completions."""
        log_metric, log_extra = columns.get("log_metric"), columns.get("log_extra")
        for part in session.facts().parts:
            values = [item.parts.get(part) for item in result.items]
            known = [value for value in values if value is not None]
            if log_metric is not None and known:
                log_metric(f"parts/{part}", sum(known) / len(known))
            if log_extra is not None:
                log_extra(part, values)
        if log_metric is not None:
            tied = [group.tied for group in result.groups]
            log_metric("reward_service/failed_items", float(len(result.failed)))
            log_metric("reward_service/tied_groups", sum(tied) / len(tied))
        return list(result.rewards)


class AsyncTrlReward(TrlReward):
    """The same as a coroutine, which TRL runs side by side with its other async reward functions."""

    async def __call__(  # type: ignore[override]
        self, *, completions: Sequence[Any], **columns: Any
    ) -> list[float | None]:
        """As `TrlReward`, in a thread: no connection belongs to TRL's event loop."""
        return await asyncio.to_thread(super().__call__, completions=completions, **columns)


def _group_of(item: Mapping[str, Any]) -> str:
    """Return one id for rows with equal prompt, images and reference: siblings, wherever they stand."""
    digest = hashlib.sha256(repr((item.get("prompt"), item.get("reference"))).encode("utf-8", "replace"))
    for image in item.get("images", ()):
        digest.update(image if isinstance(image, bytes) else str(image).encode("utf-8", "replace"))
    return digest.hexdigest()[:32]


async def reward(**columns: Any) -> list[float | None]:
    """The reward as a dotted path: `trl grpo --reward_funcs visreward.adapters.trl.reward`.

    The recipe and the service stand in the environment: `VISREWARD_RECIPE`, `VISREWARD_URL`,
    `VISREWARD_ON_ITEM_ERROR`.
    """
    return await AsyncTrlReward()(**columns)
