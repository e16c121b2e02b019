"""Scores groups in the background, so that the service works while the policy generates.

It owns the client, what is under way, and the times; it has no opinion on failed items. It knows no TRL.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from visreward import AsyncRewardClient, ItemInput, RetryPolicy, RewardError, Tls
from visreward.protocol import Code, ErrorBody, ItemResult
from visreward_trainer.background import BackgroundLoop
from visreward_trainer.config import RewardConfig
from visreward_trainer.data import Questions
from visreward_trainer.errors import ConfigError

NO_ANSWER = "no_answer"
"""The code of an item whose whole request went unanswered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One completion to score."""

    row: int
    """Of the questions."""
    text: str
    num_tokens: int
    """In the policy's tokens."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A completion, and what the service says of it."""

    completion: Completion
    result: ItemResult


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that was scored for one generation, with its times in seconds."""

    scored: list[Scored]
    """In the order of the completions."""
    seconds: float
    """From the first request's start to the last one's end."""
    waited_seconds: float
    """Of these, the part for which the trainer had nothing else to do."""
    seconds_by_source: dict[str, float]
    """Of the requests of each data set, summed though they overlap."""
    num_retries: int = 0

    @property
    def overlap(self) -> float:
        """The share of the scoring time that was hidden behind other work, from 0 to 1."""
        return 1.0 - min(self.waited_seconds / self.seconds, 1.0) if self.seconds > 0 else 1.0

    @property
    def failed(self) -> list[int]:
        """Places of the completions without a reward."""
        return [place for place, one in enumerate(self.scored) if one.result.reward is None]


@dataclass(frozen=True, slots=True)
class _Answer:
    results: list[ItemResult]
    started: float
    ended: float


class Scorer:
    """Asks the service for rewards, one request for each group, many at once."""

    def __init__(self, config: RewardConfig, questions: Questions, loop: BackgroundLoop) -> None:
        self._config = config
        self._questions = questions
        self._loop = loop
        self._client = loop.run(_open(config))
        self._pending: list[tuple[Sequence[Completion], Future[_Answer]]] = []

    def check(self) -> None:
        """Wait until the service answers, and see that it has the recipe; raise RewardError where not."""
        self._loop.run(self._client.recipe(self._config.recipe))

    def start(self, group: Sequence[Completion]) -> None:
        """Start scoring one group; `collect` returns the groups in the order in which they were started."""
        self._pending.append((group, self._loop.start(self._score(group))))

    @property
    def num_pending(self) -> int:
        return len(self._pending)

    def collect(self) -> Batch:
        """Wait for everything that was started, and return it.

        An item whose request failed for good is a failed item; errors that concern every request alike (an
        unknown recipe) are raised.
        """
        waits_from = time.perf_counter()
        pending, self._pending = self._pending, []
        answers = [(group, answer.result()) for group, answer in pending]
        ended = time.perf_counter()
        if not answers:
            return Batch([], 0.0, 0.0, {})
        by_source: dict[str, float] = {}
        scored: list[Scored] = []
        for group, answer in answers:
            source = self._questions.known[group[0].row].source
            by_source[source] = by_source.get(source, 0.0) + answer.ended - answer.started
            scored += [Scored(one, result) for one, result in zip(group, answer.results, strict=True)]
        last = max(answer.ended for _, answer in answers)
        return Batch(
            scored,
            last - min(answer.started for _, answer in answers),
            min(max(0.0, last - waits_from), ended - waits_from),
            by_source,
        )

    def close(self) -> None:
        self._loop.run(self._client.close())

    async def _score(self, group: Sequence[Completion]) -> _Answer:
        started = time.perf_counter()
        items = [self._to_item(completion) for completion in group]
        try:
            result = await self._client.score(
                items, recipe=self._config.recipe, details=False, on_item_error="mask"
            )
            results = result.items
        except RewardError as error:
            if is_hopeless(error):
                raise
            body = ErrorBody(code=str(getattr(error, "code", NO_ANSWER)), message=str(error), retryable=True)
            results = [ItemResult(id=None, reward=None, error=body) for _ in items]
        return _Answer(results, started, time.perf_counter())

    def _to_item(self, completion: Completion) -> ItemInput:
        question = self._questions.known[completion.row]
        return ItemInput(
            completion=completion.text,
            group=f"{completion.row}",
            source=question.source,
            images=self._questions.images_of(completion.row),
            prompt=question.text,
            completion_tokens=completion.num_tokens,
            reference=question.reference,
        )


def is_hopeless(error: RewardError) -> bool:
    """Whether no sample of any batch could be scored: the request itself is wrong."""
    return getattr(error, "code", None) in (Code.UNKNOWN_RECIPE, Code.NOT_FOUND, Code.INVALID_REQUEST)


async def _open(config: RewardConfig) -> AsyncRewardClient:
    """Make the client on the loop that it will live on; raise `ConfigError` for certificates of no use."""
    retry = RetryPolicy(max_attempts=10_000, max_total_seconds=config.patience_seconds)
    try:
        return AsyncRewardClient(
            url=config.url,
            retry=retry,
            timeout_seconds=config.timeout_seconds,
            max_concurrency=config.concurrency,
            tls=Tls(ca=config.ca, certificate=config.certificate, key=config.key),
        )
    except OSError as error:
        files = [f"reward.{name}" for name in ("ca", "certificate", "key") if getattr(config, name)]
        raise ConfigError(f"{', '.join(files)}: cannot be used for TLS ({error})") from error
