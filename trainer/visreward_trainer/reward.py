"""The reward function that TRL calls, and what becomes of samples that have no reward.

A failed sample is None and never a number: TRL leaves it out of its group's baseline and gives it no
advantage. Where too many failed, the batch is scored again, and at last the run is stopped. All processes
decide by the same counts, so that none waits for another that has given up.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from visreward_trainer.config import RewardConfig
from visreward_trainer.data import Questions
from visreward_trainer.errors import RewardsMissingError
from visreward_trainer.measures import count_failures, measure
from visreward_trainer.scoring import Batch, Completion, Scorer

SumOverProcesses: TypeAlias = Callable[[Sequence[int]], list[int]]
"""Adds counts up over all processes."""


class RecipeReward:
    """One recipe's reward: `reward(row=..., completions=..., ...)` gives a number or None for each row."""

    def __init__(
        self, config: RewardConfig, scorer: Scorer, questions: Questions, total: SumOverProcesses
    ) -> None:
        self.__name__ = config.recipe
        self.failures: Counter[str] = Counter()
        """Samples without a reward in this process so far, by the code of the error."""
        self._config = config
        self._scorer = scorer
        self._questions = questions
        self._total = total

    def __call__(
        self,
        *,
        row: Sequence[int],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        log_metric: Callable[[str, float], None],
        log_extra: Callable[[str, list[Any]], None],
        **_: Any,
    ) -> list[float | None]:
        """Return the rewards of what the rollouts started to score, in the order of the rows.

        Raises `RewardsMissingError` where too many failed, after all retries.
        """
        if self._scorer.num_pending == 0:
            start_groups(self._scorer, row, completions, completion_ids)
        batch = self._score_until_enough(self._scorer.collect())
        sources = [self._questions.known[number].source for number in row]
        for name, number in measure(batch, sources, pass_part=self._config.pass_part).items():
            log_metric(name, number)
        self.failures += count_failures(batch.scored)
        errors = [one.result.error for one in batch.scored]
        log_extra("error", ["" if error is None else str(error.code) for error in errors])
        return [one.result.reward for one in batch.scored]

    def _score_until_enough(self, batch: Batch) -> Batch:
        for attempt in range(self._config.step_retries + 1):
            lasting = [place for place in batch.failed if not is_retryable(batch, place)]
            num_failed, num_lasting, num_all = self._total(
                (len(batch.failed), len(lasting), len(batch.scored))
            )
            allowed = self._config.max_failed_fraction * num_all
            if num_failed <= allowed:
                return batch
            if attempt == self._config.step_retries or num_lasting > allowed:
                break
            time.sleep(self._config.retry_wait_seconds)
            batch = self._score_again(batch)
        raise RewardsMissingError(
            f"{num_failed} of {num_all} samples have no reward after {batch.num_retries + 1} attempts "
            f"({describe(batch)}); reward.max_failed_fraction allows {self._config.max_failed_fraction:g}"
        )

    def _score_again(self, batch: Batch) -> Batch:
        """Score the failed completions of a batch once more; the others keep their rewards."""
        places = [place for place in batch.failed if is_retryable(batch, place)]
        again = [batch.scored[place].completion for place in places]
        for run in runs_of([completion.row for completion in again]):
            self._scorer.start(again[run])
        second = self._scorer.collect()
        scored = list(batch.scored)
        for place, one in zip(places, second.scored, strict=True):
            scored[place] = one
        waited = self._config.retry_wait_seconds + second.seconds
        return Batch(
            scored,
            batch.seconds + waited,
            batch.waited_seconds + waited,
            {
                name: batch.seconds_by_source.get(name, 0.0) + second.seconds_by_source.get(name, 0.0)
                for name in {**batch.seconds_by_source, **second.seconds_by_source}
            },
            batch.num_retries + 1,
        )


def start_groups(
    scorer: Scorer,
    rows: Sequence[int],
    completions: Sequence[Any],
    completion_ids: Sequence[Sequence[int]],
) -> None:
    """Start scoring completions as TRL has them: each a list with one message."""
    made = [
        Completion(row=row, text=completion[-1]["content"], num_tokens=len(ids))
        for row, completion, ids in zip(rows, completions, completion_ids, strict=True)
    ]
    for run in runs_of(rows):
        scorer.start(made[run])


def runs_of(rows: Sequence[int]) -> list[slice]:
    """Return where equal neighbours begin and end.

    A process may have any part of a group, so that its rows say more than the number of generations.
    """
    starts = [place for place, row in enumerate(rows) if place == 0 or row != rows[place - 1]]
    return [slice(start, end) for start, end in pairwise([*starts, len(rows)])]


def is_retryable(batch: Batch, place: int) -> bool:
    error = batch.scored[place].result.error
    return error is None or error.retryable


def describe(batch: Batch) -> str:
    counts = ", ".join(f"{number} {code}" for code, number in count_failures(batch.scored).most_common())
    first = next((one.result.error for one in batch.scored if one.result.error is not None), None)
    return counts if first is None else f"{counts}; the first: {first.message}"
