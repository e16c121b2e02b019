"""What a call to `score` gives back, and how the answers to its requests become one.

Owns the order of items, the caller's policy for failed ones, and sums over requests. Knows no HTTP.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

from visreward.errors import ItemError
from visreward.items import Prepared, Sendable
from visreward.protocol import CacheUse, Code, ErrorBody, GroupSummary, ItemResult, ScoreResponse, Work
from visreward.protocol.statistics import summarise
from visreward.split import Chunk

OnItemError: TypeAlias = Literal["raise", "mask"] | float
"""`"raise"` an ItemError, `"mask"` as None, or the number that stands in for a missing reward."""

NumberT = TypeVar("NumberT", int, float)

PATH = re.compile(r"(items|images)\[(\d+)\]")
MAX_NAMED_FAILURES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreResult:
    """Rewards of a call's items, in the order in which the caller gave them."""

    rewards: list[float | None]
    """With failed items as the policy says: None under `"mask"`, the caller's number under a number."""
    items: list[ItemResult]
    """Reward, parts and details of each item, or its error; no policy changes these."""
    groups: list[GroupSummary]
    """In order of first appearance."""
    work: Work
    """Summed over the call's requests."""
    cache: CacheUse
    models: dict[str, str]
    """Revision by name; more than one, joined by commas, where replicas of the service disagree."""
    timings_ms: dict[str, float]
    """Milliseconds by stage in the service, summed over requests that may have run side by side."""
    recipe: str
    request_ids: list[str]

    @property
    def failed(self) -> list[ItemResult]:
        """The items without a reward."""
        return [item for item in self.items if item.error is not None]


@dataclass(frozen=True, slots=True)
class Answered:
    """What was sent in a request and the service's answer to it, item by item."""

    sent: Chunk
    response: ScoreResponse


def check_policy(policy: OnItemError) -> OnItemError:
    """Return the policy; raise ValueError where it is none."""
    is_number = isinstance(policy, int | float) and not isinstance(policy, bool)
    if not is_number and policy not in ("raise", "mask"):
        raise ValueError(f"on_item_error is 'raise', 'mask' or a number, not {policy!r}")
    return policy


def join(
    prepared: Prepared, too_large: Iterable[Sendable], answers: Sequence[Answered], *, recipe: str
) -> ScoreResult:
    """Return one result for all answers, items back in the caller's order, missing rewards as None."""
    by_place = dict(prepared.failed)
    by_place.update((item.index, _refuse_size(item)) for item in too_large)
    for answer in answers:
        by_place.update(_place(answer))
    items = [by_place[index] for index in range(prepared.num_items)]
    responses = [answer.response for answer in answers]
    return ScoreResult(
        rewards=[item.reward for item in items],
        items=items,
        groups=_join_groups(prepared.groups, items, responses),
        work=Work(**_sum(response.work.model_dump() for response in responses)),
        cache=CacheUse(**_sum(response.cache.model_dump() for response in responses)),
        models=_join_models(responses),
        timings_ms=_sum(response.timings_ms for response in responses),
        recipe=responses[0].recipe if responses else recipe,
        request_ids=[response.request_id for response in responses],
    )


def settle(result: ScoreResult, policy: OnItemError) -> ScoreResult:
    """Apply the policy to the failed items; raise ItemError, with the result attached, where it says so."""
    failed = result.failed
    if not failed or policy == "mask":
        return result
    if policy == "raise":
        raise ItemError(_describe(failed, len(result.items)), result=result)
    rewards = [float(policy) if item.error is not None else item.reward for item in result.items]
    return ScoreResult(
        **{**{name: getattr(result, name) for name in ScoreResult.__slots__}, "rewards": rewards}
    )


def to_caller_path(path: str | None, sent: Chunk, item: Sendable | None = None) -> str | None:
    """Return a field path of a request as one of the call.

    Items get the caller's numbers. An image of the request becomes an image of `item`, or of the first item
    that names it: the caller has no list of images. Any other path stays as it is.
    """
    match = PATH.match(path or "")
    if path is None or match is None:
        return path
    number, rest = int(match[2]), path[match.end() :]
    if match[1] == "items":
        return f"items[{sent.items[number].index}]{rest}" if number < len(sent.items) else path
    digest = dict(enumerate(sent.digests)).get(number)
    owners = [one for one in ([item] if item else sent.items) if digest in one.digests]
    if digest is None or not owners:
        return path
    return f"items[{owners[0].index}].images[{owners[0].digests.index(digest)}]"


def _place(answer: Answered) -> Iterable[tuple[int, ItemResult]]:
    for item, result in zip(answer.sent.items, answer.response.items, strict=True):
        if result.error is not None and result.error.field is not None:
            field = to_caller_path(result.error.field, answer.sent, item)
            error = result.error.model_copy(update={"field": field})
            yield item.index, result.model_copy(update={"error": error})
        else:
            yield item.index, result


def _refuse_size(item: Sendable) -> ItemResult:
    error = ErrorBody(
        code=Code.REQUEST_TOO_LARGE,
        message="the item and its images are over the service's limits for a whole request",
        field=f"items[{item.index}]",
    )
    return ItemResult(id=item.id, reward=None, error=error)


def _join_groups(
    groups: Sequence[str | None], items: Sequence[ItemResult], responses: Sequence[ScoreResponse]
) -> list[GroupSummary]:
    """Take the service's summaries of groups that it saw whole; compute the others over all their items."""
    rewards: dict[str, list[float | None]] = {}
    for group, item in zip(groups, items, strict=True):
        if group is not None:
            rewards.setdefault(group, []).append(item.reward)
    answered = {summary.group: summary for response in responses for summary in response.groups}
    return [
        answered[group]
        if group in answered and answered[group].num_items == len(of_group)
        else summarise(group, of_group)
        for group, of_group in rewards.items()
    ]


def _join_models(responses: Iterable[ScoreResponse]) -> dict[str, str]:
    revisions: dict[str, dict[str, None]] = {}
    for response in responses:
        for name, revision in response.models.items():
            revisions.setdefault(name, {})[revision] = None
    return {name: ", ".join(seen) for name, seen in revisions.items()}


def _sum(tables: Iterable[Mapping[str, NumberT]]) -> dict[str, NumberT]:
    total: dict[str, NumberT] = {}
    for table in tables:
        for name, number in table.items():
            total[name] = total[name] + number if name in total else number
    return total


def _describe(failed: Sequence[ItemResult], num_items: int) -> str:
    named = [
        f"{item.id}: {item.error.code} ({item.error.message})" for item in failed if item.error is not None
    ][:MAX_NAMED_FAILURES]
    more = f"; and {len(failed) - len(named)} more" if len(failed) > len(named) else ""
    return f"{len(failed)} of {num_items} items could not be scored: {'; '.join(named)}{more}"
