"""A pool of processes that run rules under a time and a memory limit.

It owns the queue, who works on what, and a cache of verdicts. It knows rules as names and calls as plain
data, nothing of items or scores. All of its state belongs to one event loop.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cachetools import LRUCache

from visreward.protocol import Code
from visreward_service.engine import worker as script
from visreward_service.engine.nursery import Link, Nursery
from visreward_service.scorers.base import RuleCall

MAX_CHUNK_CALLS = 32
"""Calls sent to a worker in one message."""
ASIDE_PER_WORKER = 4
"""Slow calls that may go on beside each regular worker."""
CACHED_VERDICTS = 65_536
MAX_CACHED_BYTES = 1_024
"""Verdicts that are larger, packed, are not kept."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call has no value."""

    code: Code
    message: str


Outcome = Any | Failure
"""A rule's value, or a `Failure`."""

MISSING = object()
"""Stands for an outcome until there is one: a rule's value may be None."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What became of one caller's calls."""

    outcomes: list[Outcome]
    """One for each call, in order."""
    num_run: int
    """Calls that workers answered for this caller: neither known before nor under way for another caller."""


_LATE = Failure(Code.DEADLINE_EXCEEDED, "not scored within deadline_ms")


@dataclass(slots=True)
class PoolCounters:
    """What a pool has done since it was made."""

    asked: int = 0
    """Calls that callers wanted."""
    shared: int = 0
    """Calls answered from the cache, or by the same call already under way."""
    completed: int = 0
    """Calls that a worker answered, rules that raised among them."""
    timeouts: int = 0
    failures: int = 0
    restarts: int = 0
    """Workers that ended and were replaced."""
    set_aside: int = 0
    """Workers that were left alone with a slow call."""


@dataclass(eq=False, slots=True)
class _Batch:
    """One caller's calls: outcomes by position, and how many are missing."""

    outcomes: list[Any]
    missing: int
    done: asyncio.Future[None]
    fresh: list[int] = field(default_factory=list)
    """Positions of the calls that nobody had asked for before."""


@dataclass(eq=False, slots=True)
class _Call:
    """One distinct call and everyone who waits for it."""

    key: bytes
    message: bytes
    waiters: list[tuple[_Batch, int]] = field(default_factory=list)
    deaths: int = 0
    """Workers that died, other than at the time limit, while they were busy with the call."""


@dataclass(eq=False, slots=True)
class _Job:
    """A worker's calls that are not answered yet; it is busy with the first."""

    calls: deque[_Call] = field(default_factory=deque)
    seen: float | None = None
    """The worker's processor seconds when the pool first saw it busy with the first call."""


def _is_timeout(exit_code: int | None) -> bool:
    return exit_code is not None and -exit_code in script.TIME_LIMIT_SIGNALS


class RulePool:
    """Runs named rules in warm processes that are killed at a time limit and replaced.

    A call's time starts when its work starts, and is processor time. Several calls travel in one message; one
    that is killed costs its neighbours no more than their place, for they are sent again. A call that holds
    up others for too long is left to its worker, and a fresh worker goes on with the rest.
    """

    def __init__(
        self,
        rules: Mapping[str, str],
        workers: int,
        time_limit_seconds: float,
        memory_limit_bytes: int,
        *,
        patience_seconds: float = 0.25,
    ) -> None:
        """Take rules as name -> `package.module:function`, which take and return plain data.

        `memory_limit_bytes` is what a worker may map on top of its imports; `patience_seconds` is about
        how long a call may work while it holds up others, before its worker is set aside.
        """
        if workers < 1 or time_limit_seconds <= 0 or memory_limit_bytes < 1:
            raise ValueError("workers, time limit and memory limit must be positive")
        self._rules = dict(rules)
        self._size = workers
        self._time_limit_seconds = time_limit_seconds
        self._memory_limit_bytes = memory_limit_bytes
        self._patience_seconds = patience_seconds
        self._queue: deque[_Call] = deque()
        self._pending: dict[bytes, _Call] = {}
        """Queued and running calls by content."""
        self._verdicts: LRUCache[bytes, tuple[Any]] = LRUCache(CACHED_VERDICTS)
        self._idle: list[Link] = []
        self._jobs: dict[Link, _Job] = {}
        """Regular workers."""
        self._aside: dict[Link, _Job] = {}
        self._num_hatching = 0
        self._nursery: Nursery | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = False
        self._reviving = False
        self._patrol: asyncio.TimerHandle | None = None
        self.counters = PoolCounters()

    @property
    def num_queued(self) -> int:
        """Calls that no worker has yet."""
        return len(self._queue)

    async def start(self) -> None:
        """Import the rules and start the workers. Raise RuntimeError where a rule cannot be imported."""
        self._loop = asyncio.get_running_loop()
        await self._raise_nursery()
        self._open = True
        self._staff()

    async def close(self) -> None:
        """End every process and wait for that. Calls under way fail."""
        self._open = False
        for task in list(self._tasks):
            task.cancel()
        if self._patrol is not None:
            self._patrol.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._idle.clear()
        self._jobs.clear()
        self._aside.clear()
        self._fail_all("the pool was closed")
        if self._nursery is not None:
            await self._nursery.close()
            self._nursery = None

    async def run(self, calls: Sequence[RuleCall]) -> list[Outcome]:
        """Return the outcomes that `judge` gives without a time limit."""
        return (await self.judge(calls)).outcomes

    async def judge(self, calls: Sequence[RuleCall], seconds: float | None = None) -> Ruling:
        """Run calls, or take their outcomes from where they are known.

        A call that is not answered within `seconds` has a `Failure` for its outcome. It is taken out of the
        queue where nobody else waits for it, and so are the calls of a caller that is cancelled.
        Raises KeyError for a rule that the pool does not have, TypeError for arguments that are no data.
        """
        if not self._open:
            raise RuntimeError("the rule pool is not running")
        messages = [self._pack(call) for call in calls]
        batch = _Batch([MISSING] * len(calls), len(calls), self._loop.create_future())
        for position, message in enumerate(messages):
            self._admit(message, batch, position)
        if batch.missing:
            self._dispatch()
            try:
                await asyncio.wait([batch.done], timeout=seconds)
            finally:
                if batch.missing:
                    self._abandon(batch)
        num_run = sum(batch.outcomes[position] is not MISSING for position in batch.fresh)
        outcomes = [_LATE if outcome is MISSING else outcome for outcome in batch.outcomes]
        return Ruling(outcomes, num_run)

    # Calls.

    def _pack(self, call: RuleCall) -> bytes:
        if call.rule not in self._rules:
            raise KeyError(f"no rule is called {call.rule!r}")
        return script.pack([call.rule, call.arguments])

    def _admit(self, message: bytes, batch: _Batch, position: int) -> None:
        self.counters.asked += 1
        # Packed bytes tell 1, 1.0 and True apart, where equality of the arguments does not.
        key = message if len(message) <= 64 else hashlib.blake2b(message, digest_size=32).digest()
        verdict = self._verdicts.get(key)
        if verdict is not None:
            self.counters.shared += 1
            batch.outcomes[position] = verdict[0]
            batch.missing -= 1
            return
        call = self._pending.get(key)
        if call is None:
            call = self._pending[key] = _Call(key, message)
            self._queue.append(call)
            batch.fresh.append(position)
        else:
            self.counters.shared += 1
        call.waiters.append((batch, position))

    def _finish(self, call: _Call, outcome: Outcome) -> None:
        if self._pending.get(call.key) is call:
            del self._pending[call.key]
        for batch, position in call.waiters:
            batch.outcomes[position] = outcome
            batch.missing -= 1
            if batch.missing == 0 and not batch.done.done():
                batch.done.set_result(None)
        call.waiters.clear()

    def _fail_all(self, message: str) -> None:
        self._queue.clear()
        for call in list(self._pending.values()):
            self._finish(call, Failure(Code.RULE_FAILED, message))

    def _abandon(self, batch: _Batch) -> None:
        """Forget a caller's calls; end the workers that nobody waits for any more."""
        for call in list(self._pending.values()):
            call.waiters = [waiter for waiter in call.waiters if waiter[0] is not batch]
            if not call.waiters:
                del self._pending[call.key]
        self._queue = deque(call for call in self._queue if call.waiters)
        for link, job in [*self._jobs.items(), *self._aside.items()]:
            if job.calls and not any(call.waiters for call in job.calls):
                self._dismiss(link)
        self._dispatch()

    # Workers at work.

    def _dispatch(self) -> None:
        self._staff()
        while self._queue and self._idle:
            link = self._idle.pop()
            size = min(MAX_CHUNK_CALLS, max(1, len(self._queue) // (2 * self._size)))
            calls = [self._queue.popleft() for _ in range(size)]
            self._jobs[link] = _Job(deque(calls))
            link.send(b"".join(call.message for call in calls))
        if self._open and self._jobs and self._patrol is None:
            self._patrol = self._loop.call_later(self._patience_seconds, self._look_round)

    def _answered(self, link: Link, succeeded: bool, value: Any) -> None:
        job = self._jobs.get(link) or self._aside.get(link)
        if job is None:
            return
        call = job.calls.popleft()
        job.seen = None
        self.counters.completed += 1
        if succeeded:
            self._remember(call, value)
            self._finish(call, value)
        else:
            self.counters.failures += 1
            self._finish(call, Failure(Code.RULE_FAILED, value))
        if link in self._aside:
            self._dismiss(link)
        elif not job.calls:
            self._idle.append(link)
            self._dispatch()

    def _remember(self, call: _Call, value: Any) -> None:
        if len(script.pack(value)) <= MAX_CACHED_BYTES:
            self._verdicts[call.key] = (value,)

    def _look_round(self) -> None:
        """Set workers aside that hold up others; look again as long as any is busy."""
        busy = [(link, job) for link, job in self._jobs.items() if job.calls]
        self._patrol = self._loop.call_later(self._patience_seconds, self._look_round) if busy else None
        for link, job in busy:
            self._look_at(link, job)
        self._dispatch()

    def _look_at(self, link: Link, job: _Job) -> None:
        worked = link.processor_seconds()
        if job.seen is None:
            job.seen = worked
        # Half of the time between two looks: on a busy machine a call may have had no turn to work at all.
        works_long = worked - job.seen >= self._patience_seconds / 2
        holds_up = len(job.calls) > 1 or bool(self._queue)
        if works_long and holds_up and len(self._aside) < ASIDE_PER_WORKER * self._size:
            self.counters.set_aside += 1
            del self._jobs[link]
            self._aside[link] = _Job(deque([job.calls.popleft()]))
            self._requeue(job)

    def _requeue(self, job: _Job) -> None:
        self._queue.extendleft(call for call in reversed(job.calls) if call.waiters)
        job.calls.clear()

    # Lives of workers.

    def _staff(self) -> None:
        if self._nursery is None:
            self._revive()
            return
        if not self._open or not self._nursery.ready:
            return
        while len(self._jobs) + self._num_hatching < self._size:
            self._num_hatching += 1
            self._spawn(self._hatch(self._nursery))

    async def _hatch(self, nursery: Nursery) -> None:
        try:
            link = await nursery.hatch(self._answered, self._gone)
        except OSError:
            return  # the nursery has ended and is being replaced
        finally:
            self._num_hatching -= 1
        self._jobs[link] = _Job()
        self._idle.append(link)
        self._dispatch()

    def _dismiss(self, link: Link) -> None:
        """End a worker that nobody waits for."""
        self._drop(link)
        link.kill()

    def _drop(self, link: Link) -> None:
        self._jobs.pop(link, None)
        self._aside.pop(link, None)
        if link in self._idle:
            self._idle.remove(link)
        self.counters.restarts += 1

    def _gone(self, link: Link, exit_code: int | None) -> None:
        """Settle the call that a worker ended with, and have the rest of its calls done by others."""
        job = self._jobs.get(link) or self._aside.get(link)
        if job is None:
            return
        # A worker that ends by itself, with 0, has retired between two calls.
        if job.calls and exit_code != 0 and self._is_to_blame(job.calls[0], exit_code):
            self._blame(job.calls.popleft(), exit_code)
        self._requeue(job)
        self._drop(link)
        self._dispatch()

    def _is_to_blame(self, call: _Call, exit_code: int | None) -> bool:
        """Return whether a worker's end was the call's doing: others can kill a worker, but hardly twice."""
        if _is_timeout(exit_code):
            return True
        call.deaths += 1
        # With its nursery every worker dies, and a call may be sent to each of them before that is known.
        return call.deaths > (1 if exit_code is not None else self._size)

    def _blame(self, call: _Call, exit_code: int | None) -> None:
        if _is_timeout(exit_code):
            self.counters.timeouts += 1
            failure = Failure(Code.RULE_TIMEOUT, f"no verdict within {self._time_limit_seconds:g} s")
        else:
            self.counters.failures += 1
            failure = Failure(Code.RULE_FAILED, "the rule's worker died")
        self._finish(call, failure)

    async def _raise_nursery(self) -> None:
        config = {
            "rules": self._rules,
            "time_limit_seconds": self._time_limit_seconds,
            "memory_limit_bytes": self._memory_limit_bytes,
        }
        self._nursery = Nursery(config, self._revive)
        await self._nursery.start()

    def _revive(self) -> None:
        if self._open and not self._reviving:
            self._reviving = True
            self._spawn(self._replace_nursery())

    async def _replace_nursery(self) -> None:
        try:
            if self._nursery is not None:
                await self._nursery.close()
            await self._raise_nursery()
        except (OSError, RuntimeError, TimeoutError):
            # The next caller tries again.
            self._nursery = None
            self._fail_all("the rules' processes cannot be started again")
            return
        finally:
            self._reviving = False
        self._dispatch()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
