"""One process's way to the service: a client, what the recipe is made of, single calls gathered into batches.

Adapters that were given equal settings share a session within a process. A forked or spawned process makes
its own: connections and threads do not survive a fork.
"""

import asyncio
import math
import os
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import quote

from visreward.adapters.gather import Gatherer
from visreward.adapters.pictures import Pictures
from visreward.adapters.settings import RewardSettings
from visreward.client import RewardClient
from visreward.errors import RewardError, UnexpectedAnswerError
from visreward.result import ScoreResult, settle
from visreward.retry import RetryPolicy

MAX_ATTEMPTS = 100_000
"""In effect none: `patience_seconds` ends the tries."""


@dataclass(frozen=True, slots=True)
class RecipeFacts:
    """What an adapter has to know of its recipe."""

    parts: tuple[str, ...]
    """Names of the terms, in the recipe's order."""
    needs_group: bool
    """Whether an item's reward depends on the other items of its group."""


class Session:
    """Scores items under one `RewardSettings`; threads and event loops may share it."""

    def __init__(self, settings: RewardSettings) -> None:
        self.settings = settings
        self.pictures = Pictures()
        self._client = RewardClient(
            url=settings.url,
            timeout_seconds=min(settings.timeout_seconds, settings.patience_seconds),
            retry=RetryPolicy(max_attempts=MAX_ATTEMPTS, max_total_seconds=settings.patience_seconds),
        )
        self._gatherer: Gatherer[Mapping[str, Any], ScoreResult] = Gatherer(
            self._score_singles, window_seconds=settings.gather_ms / 1000
        )

    @cached_property
    def _facts(self) -> RecipeFacts:
        found = self._client.recipe(self.settings.recipe)
        parts = found.get("parts") if isinstance(found, Mapping) else None
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            raise UnexpectedAnswerError(f"GET /recipes/{quote(self.settings.recipe)} lists no parts")
        return RecipeFacts(tuple(parts), bool(found.get("needs_group")))

    def facts(self) -> RecipeFacts:
        """Return what the service says of the recipe, asked once; raise RewardError where it does not."""
        return self._facts

    def score(
        self, items: Sequence[Mapping[str, Any]], *, whole_groups: bool, group_size: int | None = None
    ) -> ScoreResult:
        """Score a batch and return one finite reward per item, or None under `"mask"`.

        Parameters
        ----------
        whole_groups:
            Whether the trainer hands over the items of a group together.
        group_size:
            How many items a group has, where the trainer may cut a group in two.

        Raises
        ------
        RewardError
            As `RewardClient.score` does; ItemError only under `"raise"`.
        ValueError
            Where the recipe looks at whole groups and they are not there.
        """
        facts = self.facts()
        if facts.needs_group:
            check_groups(
                [item.get("group") for item in items], whole_groups, group_size, self.settings.recipe
            )
        return settle(self._ask(items), self.settings.on_item_error)

    def submit(self, item: Mapping[str, Any]) -> "Future[ScoreResult]":
        """Return the future of a single item's result; what other callers submit just now shares its request.

        Its errors are those of `score`, and only this item's.
        """
        return self._gatherer.submit(item)

    async def score_single(self, item: Mapping[str, Any]) -> ScoreResult:
        """`submit` for a coroutine of any event loop."""
        return await asyncio.wrap_future(self.submit(item))

    def close(self) -> None:
        """Close the connections and end the threads."""
        self._gatherer.close()
        self._client.close()

    def _ask(self, items: Sequence[Mapping[str, Any]]) -> ScoreResult:
        result = self._client.score(items, recipe=self.settings.recipe, details=False, on_item_error="mask")
        if len(result.items) != len(items):
            raise UnexpectedAnswerError(f"{len(items)} items were sent and {len(result.items)} answered")
        for item in result.items:
            numbers = [item.reward, *item.parts.values()]
            if not all(number is None or math.isfinite(number) for number in numbers):
                raise UnexpectedAnswerError(f"item {item.id} came back with a number that is not finite")
            if (item.reward is None) == (item.error is None):
                raise UnexpectedAnswerError(
                    f"item {item.id} came back with neither or both of reward and error"
                )
        return result

    def _score_singles(self, items: list[Mapping[str, Any]]) -> list[ScoreResult | Exception]:
        if self.facts().needs_group:
            raise ValueError(_describe_missing_group(self.settings.recipe))
        result = self._ask(items)
        return [self._settle_single(result, place) for place in range(len(items))]

    def _settle_single(self, result: ScoreResult, place: int) -> ScoreResult | Exception:
        item = result.items[place]
        single = replace(result, rewards=[item.reward], items=[item], groups=[])
        try:
            return settle(single, self.settings.on_item_error)
        except RewardError as error:
            return error


def reward_of(result: ScoreResult, place: int = 0) -> float:
    """Return an item's reward as a number; raise UnexpectedAnswerError where no policy has given it one."""
    reward = result.rewards[place]
    if reward is None:
        raise UnexpectedAnswerError(f"item {result.items[place].id} has no reward")
    return reward


def check_groups(
    groups: Sequence[str | None], whole_groups: bool, group_size: int | None, recipe: str
) -> None:
    """Raise ValueError where a recipe that looks at whole groups would see only parts of them."""
    if not whole_groups or any(group is None for group in groups):
        raise ValueError(_describe_missing_group(recipe))
    if group_size is None:
        return
    for group, size in Counter(groups).items():
        if size % group_size:
            raise ValueError(
                f"recipe {recipe} looks at whole groups of {group_size}, and group {group} came with {size} "
                "items: let each rank have whole groups"
            )


def _describe_missing_group(recipe: str) -> str:
    return (
        f"recipe {recipe} looks at whole groups, and this trainer is not known to hand them over with their "
        "ids: choose another recipe, or name num_generations= where the adapter has it"
    )


_sessions: dict[RewardSettings, Session] = {}
_opening = threading.Lock()


def open_session(settings: RewardSettings) -> Session:
    """Return this process's session for these settings."""
    with _opening:
        if settings not in _sessions:
            _sessions[settings] = Session(settings)
        return _sessions[settings]


def close_sessions() -> None:
    """Close every session of this process; the next call opens a fresh one."""
    with _opening:
        while _sessions:
            _sessions.popitem()[1].close()


def _forget_sessions() -> None:
    """In a forked child: connections, locks and threads are the parent's."""
    global _opening
    _opening = threading.Lock()
    _sessions.clear()


os.register_at_fork(after_in_child=_forget_sessions)
