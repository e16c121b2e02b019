"""Numbers of a scored batch, for people: parts, groups, failures and times, over all and for each source.

Pure functions; a group is what one process has of it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from math import fsum

from visreward_trainer.scoring import Batch, Scored


def measure(batch: Batch, sources: Sequence[str], *, pass_part: str) -> dict[str, float]:
    """Return the metrics of a batch by name.

    `sources` names the data set of each completion. Names: `parts/<term>`, `groups/tied`, `groups/pass_rate`,
    `failures/share`, `failures/<code>` (counts), `scoring/seconds`, `scoring/waited_seconds`,
    `scoring/overlap`, and all but the last three again under `sources/<source>/`, with `seconds`.
    """
    found = describe(batch.scored, pass_part)
    found["failures/retries"] = float(batch.num_retries)
    found["scoring/seconds"] = batch.seconds
    found["scoring/waited_seconds"] = batch.waited_seconds
    found["scoring/overlap"] = batch.overlap
    for source in dict.fromkeys(sources):
        own = [one for one, name in zip(batch.scored, sources, strict=True) if name == source]
        numbers = {**describe(own, pass_part), **mean_reward(own)}
        numbers["seconds"] = batch.seconds_by_source.get(source, 0.0)
        found.update({f"sources/{source}/{name}": number for name, number in numbers.items()})
    return found


def describe(scored: Sequence[Scored], pass_part: str) -> dict[str, float]:
    """Return parts, group statistics and failures of some completions."""
    found = {f"parts/{name}": mean(values) for name, values in part_values(scored).items()}
    groups = [list(members) for _, members in groupby(scored, key=lambda one: one.completion.row)]
    rewards = [[one.result.reward for one in group if one.result.reward is not None] for group in groups]
    several = [group for group in rewards if len(group) > 1]
    if several:
        found["groups/tied"] = mean(float(len(set(group)) == 1) for group in several)
    passes = [one.result.parts.get(pass_part) for one in scored if one.result.reward is not None]
    judged = [value for value in passes if value is not None]
    if judged:
        found["groups/pass_rate"] = mean(float(value == 1.0) for value in judged)
    codes = count_failures(scored)
    found["failures/share"] = sum(codes.values()) / len(scored) if scored else 0.0
    found.update({f"failures/{code}": float(number) for code, number in codes.items()})
    return found


def count_failures(scored: Iterable[Scored]) -> Counter[str]:
    """Return how many completions have no reward, by the code of the error."""
    errors = [one.result.error for one in scored if one.result.reward is None]
    return Counter("no_reward" if error is None else str(error.code) for error in errors)


def part_values(scored: Iterable[Scored]) -> Mapping[str, list[float]]:
    values: dict[str, list[float]] = {}
    for one in scored:
        for name, value in one.result.parts.items():
            if value is not None:
                values.setdefault(name, []).append(value)
    return values


def mean_reward(scored: Iterable[Scored]) -> dict[str, float]:
    rewards = [one.result.reward for one in scored if one.result.reward is not None]
    return {"reward": mean(rewards)} if rewards else {}


def mean(values: Iterable[float]) -> float:
    listed = list(values)
    return fsum(listed) / len(listed)
